"""Any change of bytes ends in a structure set or in one clear line, never in another exception."""

from __future__ import annotations

import random

import pytest
from builders.structure_builder import structures
from Dose3DLib.core.errors import InputError, ResourceError
from Dose3DLib.geometry.files import read_label_map, read_names, read_seg_nrrd, write_label_map, write_seg_nrrd
from Dose3DLib.geometry.grid import Grid
from Dose3DLib.geometry.structure import StructureSet

pytest.importorskip("nibabel")
pytest.importorskip("SimpleITK")

GRID = Grid.axial((3, 64, 80), (2.5, 1.3, 0.8), (1.0, 2.0, 3.0))
TABLES = {
    "n.csv": "label,name,r,g,b\n1,A,1,2,3\n2,B,4,5,6\n",
    "n.json": '{"labels": {"background": 0, "A": [1, 2], "B": 2}}',
    "n.ctbl": '1 A 1 2 3 255\n2 "B c" 3 4 5 255\n',
    "n.txt": '1 255 0 0 1 1 1 "A"\n2 0 255 0 1 1 1 "B"\n',
}


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    chosen = structures(GRID)
    write_seg_nrrd(chosen, folder / "s.seg.nrrd")
    for name in ("l.nii", "l.nii.gz", "l.mha", "l.nrrd"):
        write_label_map(StructureSet(GRID, chosen.structures[:1]), folder / name)
    for name, text in TABLES.items():
        (folder / name).write_text(text)
    return folder


def damaged(content: bytes, dice: random.Random) -> bytes:
    data = bytearray(content)
    end = len(data) if dice.random() < 0.3 else min(len(data), 700)
    for _ in range(dice.choice([1, 2, 5, 20])):
        at, kind = dice.randrange(max(1, min(end, len(data)))), dice.random()
        if kind < 0.7:
            data[at : at + 1] = bytes([dice.randrange(256)])
        elif kind < 0.85:
            del data[at : at + dice.randrange(1, 8)]
        else:
            data[at:at] = dice.randbytes(dice.randrange(1, 6))
    return bytes(data)


@pytest.mark.parametrize("name", ["s.seg.nrrd", "l.nii", "l.nii.gz", "l.mha", "l.nrrd", *TABLES])
def test_changed_bytes(good, tmp_path, name):
    dice, refusals = random.Random(name), []
    for _ in range(40):
        path = tmp_path / name
        path.write_bytes(damaged((good / name).read_bytes(), dice))
        try:
            if name in TABLES:
                assert all(label.name for label in read_names(path))
            else:
                read = read_seg_nrrd if name.endswith(".seg.nrrd") else read_label_map
                found = read(path, grid=GRID, resample=True)
                assert all(structure.mask.grid is GRID for structure in found)
        except (InputError, ResourceError) as error:
            refusals.append(str(error))
    assert refusals
    assert [line for line in refusals if "\n" in line or name not in line] == []


def test_the_good_files_are_good(good):
    assert len(read_seg_nrrd(good / "s.seg.nrrd", GRID)) == 6
    assert len(read_label_map(good / "l.nii", None, GRID)) == 1
