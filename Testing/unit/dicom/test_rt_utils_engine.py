"""rt-utils as engine: what it does well is kept, what it cannot is said in one line."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from builders import ct_builder as cb
from Dose3DLib.core.errors import InputError, ResourceError
from Dose3DLib.dicom.ct import read_ct_reference
from Dose3DLib.dicom.rt_utils_engine import read_by_rt_utils, write_by_rt_utils
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet


@pytest.fixture(scope="module")
def ct(tmp_path_factory):
    """Two series in one folder: rt-utils alone would mix them."""
    folder = tmp_path_factory.mktemp("ct")
    cb.write_series(folder / "a", np.zeros((6, 48, 48)), spacing=(1.0, 1.0), SeriesInstanceUID="1.2.3")
    cb.write_series(folder / "b", np.zeros((4, 32, 32)), spacing=(1.0, 1.0), SeriesInstanceUID="1.2.4")
    return folder, read_ct_reference(folder, "1.2.3")


def square(reference) -> StructureSet:
    array = np.zeros(reference.grid.shape, bool)
    array[1:3, 10:20, 15:40] = True
    array[4, 30:40, 5:9] = True
    return StructureSet(reference.grid, (Structure("Box", Mask.from_array(array, reference.grid), None, (1, 2, 3)),))


def test_its_own_round_trip_on_the_chosen_series(ct, tmp_path, capsys):
    pytest.importorskip("rt_utils")
    folder, reference = ct
    write_by_rt_utils(square(reference), folder, reference, tmp_path / "r.dcm")
    found = read_by_rt_utils(tmp_path / "r.dcm", folder, reference)
    assert found["Box"].mask.same_voxels(square(reference)["Box"].mask)
    assert "read by rt-utils" in found.notes[0]
    assert capsys.readouterr().out == ""


def test_its_refusals_are_one_line(ct, tmp_path):
    pytest.importorskip("rt_utils")
    folder, reference = ct
    (tmp_path / "x.dcm").write_text("nothing")
    with pytest.raises(InputError, match=r"rt-utils refuses: .*; use --engine dose3d") as caught:
        read_by_rt_utils(tmp_path / "x.dcm", folder, reference)
    assert "\n" not in str(caught.value)


def test_absent_it_says_what_to_install(ct, tmp_path, monkeypatch):
    folder, reference = ct
    monkeypatch.setitem(sys.modules, "rt_utils", None)
    with pytest.raises(ResourceError, match="pip install --no-deps rt-utils"):
        write_by_rt_utils(square(reference), folder, reference, tmp_path / "r.dcm")
