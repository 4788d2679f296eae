"""Simulated doses of G4RT as readings: by place, never by id; control points add up."""

from __future__ import annotations

import numpy as np
import pytest
from builders.detector_builder import small_layout
from Dose3DLib.core.errors import InputError
from Dose3DLib.detector.layout import Layout
from Dose3DLib.detector.layout_csv import read_layout
from Dose3DLib.detector.readings_csv import read_readings
from Dose3DLib.geometry.cells import Cells

LAYOUT = small_layout()
POINTS = LAYOUT.detector_centers_mm()
DOSE = (np.arange(11) + 1) * 1e-8
HEADERS = {
    "2024": "Cell IdX,Cell IdY,Cell IdZ,X [mm],Y [mm],Z [mm],Dose,FieldScalingFactor",
    "2025": "Cell IdX,Cell IdY,Cell IdZ,X [mm],Y [mm],Z [mm],Dose [Gy],AngleScalingFactor",
    "fork": "Label,Cell IdX,Cell IdY,Cell IdZ,X [mm],Y [mm],Z [mm],Dose [Gy],FieldScalingFactor",
}


def cell_file(path, dose=DOSE, header="2024", order=None, ids=None):
    lines = [HEADERS[header]]
    for n in range(11) if order is None else order:
        label = f"D3DDetector_Cell_ON{127 + n}," if header == "fork" else ""
        a, b, c = (0, 0, n) if ids is None else ids[n]
        place = ",".join(f"{mm:.5g}" for mm in POINTS[n])
        lines.append(f"{label}{a},{b},{c},{place},{dose[n]:.9g},0.5")
    path.write_text("\n".join(lines) + "\n")
    return path


def voxel_file(path, dose=DOSE):
    """2 x 3 x 2 voxels a cell, whose mean is the cell's dose."""
    lines = ["Cell IdX,Cell IdY,Cell IdZ,Voxel IdX,Voxel IdY,Voxel IdZ,X [mm],Y [mm],Z [mm],Dose,FieldScalingFactor"]
    random = np.random.default_rng(1)
    for n, point in enumerate(POINTS):
        noise = random.normal(0, 1e-9, 12)
        places = [(a, b, c) for a in range(2) for b in range(3) for c in range(2)]
        for (a, b, c), error in zip(places, noise - noise.mean(), strict=True):
            x, y, z = point + LAYOUT.cells.sizes_mm[n] * ((np.array([a, b, c]) + 0.5) / [2, 3, 2] - 0.5)
            lines.append(f"0,0,{n},{a},{b},{c},{x:.6g},{y:.6g},{z:.6g},{dose[n] + error:.9g},1")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("header", HEADERS)
def test_cells_by_their_place(tmp_path, header):
    path = cell_file(tmp_path / "cp-0_Dose3D_cell.csv", header=header, order=np.random.default_rng(0).permutation(11))
    found = read_readings(path, LAYOUT)
    assert found.cells is LAYOUT.cells
    assert found.dose_gy == pytest.approx(DOSE, rel=1e-6)
    assert found.fraction.tolist() == [1] * 11
    assert any("sums over the simulated histories" in note for note in found.notes)


def test_cells_alone_stand_around_the_origin(tmp_path):
    found = read_readings(cell_file(tmp_path / "cp-0_Dose3D_cell.csv", header="fork"))
    assert found.cells.labels[3] == "D3DDetector_Cell_ON130"
    assert found.cells.centers_mm == pytest.approx(POINTS @ np.array([[-1, 0, 0], [0, 0, 1], [0, 1, 0]]), abs=1e-3)
    assert any("give the layout to place them" in note for note in found.notes)


def test_the_layout_of_the_same_file_has_the_same_names(tmp_path):
    path = cell_file(tmp_path / "cp-0_Dose3D_cell.csv")
    assert read_layout(path).cells.labels == read_readings(path).cells.labels
    assert read_readings(path, read_layout(path)).dose_gy == pytest.approx(DOSE)


def test_voxels_are_averaged(tmp_path):
    found = read_readings(voxel_file(tmp_path / "cp-0_Dose3D_voxel.csv"), LAYOUT)
    assert found.dose_gy == pytest.approx(DOSE, rel=1e-6)
    alone = read_readings(tmp_path / "cp-0_Dose3D_voxel.csv")
    order = [alone.cells.labels.index(f"Cell_0_0_{n}") for n in range(11)]
    assert alone.dose_gy[order] == pytest.approx(DOSE, rel=1e-6)
    assert alone.cells.sizes_mm[order] == pytest.approx(LAYOUT.cells.sizes_mm, abs=1e-3)


def test_control_points_add_up(tmp_path):
    for n in range(12):  # more than nine: in the order of numbers, not of texts
        cell_file(tmp_path / f"cp-{n}_Dose3D_cell.csv", DOSE * (n + 1), order=np.random.default_rng(n).permutation(11))
    voxel_file(tmp_path / "cp-0_Dose3D_voxel.csv")
    (tmp_path / "cp-0_field_mask.csv").write_text("something else\n")
    found = read_readings(tmp_path, LAYOUT)
    assert found.dose_gy == pytest.approx(DOSE * 78, rel=1e-6)
    assert any("12 control points were added" in note for note in found.notes)


def test_voxels_where_there_are_no_cells(tmp_path):
    voxel_file(tmp_path / "cp-0_Dose3D_voxel.csv")
    voxel_file(tmp_path / "cp-1_Dose3D_voxel.csv")
    assert read_readings(tmp_path, LAYOUT).dose_gy == pytest.approx(2 * DOSE, rel=1e-6)


def test_ids_that_run_together_are_said(tmp_path):
    """G4RT keys its hits by the ids without separator: 1,11,0 and 11,1,0 are one there."""
    ids = {n: (0, 0, n) for n in range(11)} | {4: (1, 11, 0), 7: (11, 1, 0)}
    found = read_readings(cell_file(tmp_path / "cp-0_Dose3D_cell.csv", ids=ids), LAYOUT)
    assert any("cells 1, 11, 0 and 11, 1, 0 for one" in note for note in found.notes)
    assert found.dose_gy == pytest.approx(DOSE, rel=1e-6)  # by place all the same


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("cp-0_D_cell.csv", lambda text: text.replace("Dose,", "Energy,"), "has no column Dose"),
        ("cp-0_D_cell.csv", lambda text: text.replace("Y [mm]", "Y [cm]"), "has no column Y [mm]"),
        ("cp-0_D_cell.csv", lambda text: text.replace("1e-08", "nan"), "line 2: Dose is not finite"),
        ("cp-0_D_cell.csv", lambda text: text.splitlines()[0], "has no cells"),
        ("cp-0_D_cell.csv", lambda text: text.replace("0,0,3,", "0,0,2,"), "has the cell 'Cell_0_0_2' twice"),
    ],
)
def test_refused(tmp_path, name, change, words):
    path = cell_file(tmp_path / name)
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError) as found:
        read_readings(path, LAYOUT)
    assert words in str(found.value)


def test_folders_that_are_no_one_simulation(tmp_path):
    with pytest.raises(InputError, match=r"holds no cp-\*_cell\.csv"):
        read_readings(tmp_path, LAYOUT)
    cell_file(tmp_path / "cp-0_Dose3D_cell.csv")
    other = cell_file(tmp_path / "cp-1_Dose3D_cell.csv")
    other.write_text("\n".join(other.read_text().splitlines()[:-1]))
    with pytest.raises(InputError, match=r"cp-1_Dose3D_cell\.csv: lists other cells than the control points before it"):
        read_readings(tmp_path, LAYOUT)
    other.rename(tmp_path / "cp-1_Water_cell.csv")
    with pytest.raises(InputError, match="holds several collections: Dose3D, Water"):
        read_readings(tmp_path, LAYOUT)


def test_places_that_are_not_the_layouts(tmp_path):
    part = Layout(LAYOUT.cells.take(np.arange(10)), LAYOUT.placement)
    with pytest.raises(InputError, match="is not in the layout, neither by its label"):
        read_readings(cell_file(tmp_path / "cp-0_Dose3D_cell.csv"), part)
    with pytest.raises(InputError, match="is in no cell of the layout"):
        read_readings(voxel_file(tmp_path / "cp-0_Dose3D_voxel.csv"), part)
    more = Cells((*LAYOUT.cells.labels, "extra"), np.r_[LAYOUT.cells.centers_mm, [[500, 0, 0]]],
                 np.r_[LAYOUT.cells.sizes_mm, [[10, 10, 10]]], LAYOUT.cells.axes)  # fmt: skip
    found = read_readings(tmp_path / "cp-0_Dose3D_voxel.csv", Layout(more, LAYOUT.placement))
    assert np.isnan(found.dose_gy).tolist() == [False] * 11 + [True]
    assert any("extra first" in note for note in found.notes)
