"""The report of a segmentation as its reader gets it."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet
from Dose3DLib.report.segmentation import SegmentationReport, write_segmentation_report
from report_cases import GREEN, RED, axial_grid, head, sheared_grid
from test_html import PIXEL, Outline, parse

pytest.importorskip("matplotlib", reason="needs matplotlib")
pytest.importorskip("jinja2", reason="needs jinja2")
Image = pytest.importorskip("PIL.Image", reason="needs pillow")
PROVENANCE = {
    "task": "segment run",
    "software": {"Dose3D": "9.8.7"},
    "model": {"sha256": "ab" * 32},
    "seconds": {"x": 1},
}


def _write(tmp_path, **changes) -> tuple[str, Outline]:
    volume, structures = head(axial_grid())
    content = {
        "volume": volume,
        "structures": structures,
        "title": "Organs",
        "patient": {"Patient": 'a"b<c>%'},
        "picture_note": "none: needs the system libraries libgl1 libegl1",
        "seconds": {"read CT": 0.5, "segment": 1.5},
        "warnings": ["Larynx: nothing found <here>"],
        "provenance": PROVENANCE,
    }
    path = tmp_path / "report.html"
    write_segmentation_report(path, SegmentationReport(**{**content, **changes}))
    html = path.read_text(encoding="utf-8")
    return html, parse(html)


def _pictures(outline: Outline) -> list[np.ndarray]:
    sources = [attrs["src"] for tag, attrs in outline.tags if tag == "img"]
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(s.split(",", 1)[1]))).convert("RGB")) for s in sources]


def _words(outline: Outline) -> str:
    return " ".join(" ".join(outline.text).split())


def test_volumes_extents_and_slices_are_right(tmp_path):
    words = _words(_write(tmp_path)[1])
    structure = head(axial_grid())[1]["Left"]
    cc = structure.mask.voxels * 3.0 * 2.0 * 1.8 / 1000
    assert f"Left Organ {cc:.1f}" in words
    k = structure.mask.block.shape[0]
    assert f"{k} ({structure.mask.offset[0] + 1}–{structure.mask.offset[0] + k})" in words
    j, i = structure.mask.block.shape[1:]
    assert f"{i * 1.8:.0f} × {j * 2.0:.0f} × {k * 3.0:.0f}" in words


def test_what_was_not_found_is_said_twice(tmp_path):
    words = _words(_write(tmp_path)[1])
    assert "3 of 4 structures found; not found: Larynx" in words
    assert "Larynx Organ not found" in words


def test_warnings_times_provenance_and_the_missing_picture_are_there(tmp_path):
    words = _words(_write(tmp_path)[1])
    assert "Larynx: nothing found <here>" in words
    assert "read CT 0.50 s" in words
    assert "segment 1.50 s" in words
    assert "ab" * 32 in words
    assert "3-D picture: none: needs the system libraries libgl1 libegl1" in words
    assert "Dose3D 9.8.7" in words
    assert 'a"b<c>%' in words


def test_pictures_are_not_blank_and_show_the_contours(tmp_path):
    pictures = _pictures(_write(tmp_path)[1])
    assert len(pictures) == 2
    for picture in pictures:
        assert picture.std() > 20
        for color in (RED, GREEN):
            assert (np.abs(picture.astype(int) - color).max(axis=-1) < 40).sum() > 60


def test_the_3d_picture_and_quality_are_embedded_when_given(tmp_path):
    (tmp_path / "view.png").write_bytes(PIXEL)
    quality = {"Left": {"Dice": 0.9, "HD95 (mm)": 3}, "Right": {"Dice": 0.8}, "mean Dice": 0.85}
    html, outline = _write(
        tmp_path, picture_3d=tmp_path / "view.png", picture_note="From the front left", quality=quality
    )
    assert base64.b64encode(PIXEL).decode("ascii") in html
    words = _words(outline)
    assert "From the front left" in words
    assert "Structure Dice HD95 (mm) Left 0.9 3 Right 0.8 –" in words
    assert "mean Dice 0.85" in words


def test_a_narrow_quality_table_stands_beside_the_times(tmp_path):
    words = _words(_write(tmp_path, quality={"Left": {"Dice": 0.9}})[1])
    assert "Quality and time Structure Dice Left 0.9 read CT 0.50 s" in words


def test_a_sheared_and_an_oblique_image_are_called_so(tmp_path):
    volume, structures = head(sheared_grid())
    assert "sheared (tilted gantry)" in _words(_write(tmp_path, volume=volume, structures=structures)[1])
    affine = np.array(axial_grid().affine)
    turn = np.radians(15)
    affine[:2, :2] = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ affine[:2, :2]
    volume, structures = head(Grid(axial_grid().shape, affine))
    words = _words(_write(tmp_path, volume=volume, structures=structures)[1])
    assert "oblique by 15°" in words
    assert "letters name the nearest direction" in words


@pytest.mark.parametrize("shape", [(1, 40, 50), (3, 2, 2), (5, 1, 1)])
def test_odd_sizes_and_structures_at_the_edge_still_give_a_page(tmp_path, shape):
    grid = Grid.axial(shape, (5.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    everything = Structure("All", Mask.from_array(np.ones(shape, bool), grid), color=RED)
    volume = Volume(np.zeros(shape, np.float32), grid)
    outline = _write(tmp_path, volume=volume, structures=StructureSet(grid, (everything,)))[1]
    assert _pictures(outline)[0].std() > 0


def test_nothing_found_at_all_still_gives_a_page(tmp_path):
    volume, structures = head(axial_grid())
    empty = StructureSet(volume.grid, (structures["Larynx"],))
    assert "0 of 1 structures found" in _words(_write(tmp_path, structures=empty, seconds={}, provenance={})[1])


def test_a_real_patient_stays_small(tmp_path, shared_data):
    pydicom = pytest.importorskip("pydicom", reason="needs pydicom")
    folder = shared_data / "openkbp_dicom" / "pt_226"
    slices = sorted(
        (pydicom.dcmread(f) for f in (folder / "CT").glob("*.dcm")), key=lambda d: d.ImagePositionPatient[2]
    )
    array = np.stack([d.pixel_array for d in slices]).astype(np.int16)
    across = float(slices[0].PixelSpacing[0])
    step = float(slices[1].ImagePositionPatient[2] - slices[0].ImagePositionPatient[2])
    grid = Grid.axial(array.shape, (step, across, across), tuple(map(float, slices[0].ImagePositionPatient)))
    body = Structure("BODY", Mask.from_array(array > -300, grid), color=RED, interpreted_type="EXTERNAL")
    html, outline = _write(tmp_path, volume=Volume(array, grid), structures=StructureSet(grid, (body,)))
    assert len(html) < 3e6
    assert _pictures(outline)[0].std() > 20
