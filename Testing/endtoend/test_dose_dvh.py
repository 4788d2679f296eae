"""`dose dvh` as a task and a command: DICOM, masks, surfaces; against the tables of a planning system and of CERR."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from builders import ct_builder as cb
from builders.dose_builder import write_rtdose_file
from Dose3DLib.cli.main import main
from Dose3DLib.core.errors import Cancelled, InputError
from Dose3DLib.core.progress import Progress
from Dose3DLib.dicom.ct import read_ct_reference
from Dose3DLib.dicom.rtstruct_write import write_rtstruct
from Dose3DLib.geometry.files import write_masks, write_seg_nrrd
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet
from Dose3DLib.geometry.volume_files import write_volume
from Dose3DLib.tasks import dose_dvh
from Dose3DLib.tasks.dose_dvh import Settings


def dose_volume(middle: float = 40.0, step: float = 0.5) -> Volume:
    """Rising along x by `step` Gy/mm, `middle` at x = 0; from -60 to 60 mm, 3 mm."""
    grid = Grid.axial((31, 41, 41), (3.0, 3.0, 3.0), (-60.0, -60.0, -45.0))
    x = -60 + 3.0 * np.arange(41)
    return Volume(np.broadcast_to(np.float32(middle + step * x), grid.shape).copy(), grid)


def structure_set(grid: Grid) -> StructureSet:
    """PTV: x from -10 to 10 mm; Parotid_L from 20 to 40 mm; both 20 mm in y, 10 mm in z; and an empty one."""
    k, j, i = np.meshgrid(*map(np.arange, grid.shape), indexing="ij")
    x, y, z = np.moveaxis(grid.to_lps(np.stack([i, j, k], axis=-1)), -1, 0)
    inside = (np.abs(y) < 10) & (np.abs(z) < 5)
    shapes = {
        "PTV": inside & (np.abs(x) < 10),
        "Parotid_L": inside & (np.abs(x - 30) < 10),
        "Nothing": inside & (x > 999),
    }
    colors = {"PTV": (220, 30, 30), "Parotid_L": (40, 160, 80), "Nothing": (9, 9, 9)}
    return StructureSet(grid, tuple(Structure(n, Mask.from_array(a, grid), color=colors[n]) for n, a in shapes.items()))


GRID = Grid.axial((20, 80, 120), (1.0, 1.0, 1.0), (-49.5, -39.5, -9.5))
"""Voxel edges lie where the structures end."""


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A dose and masks as images."""
    write_volume(dose_volume(), tmp_path / "dose.nrrd")
    write_seg_nrrd(structure_set(GRID), tmp_path / "s.seg.nrrd")
    return {"dose": tmp_path / "dose.nrrd", "structures": tmp_path / "s.seg.nrrd", "output": tmp_path / "out"}


def summary_of(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text("utf-8"))


def figures_of(folder: Path) -> dict[str, dict[str, float]]:
    return {one["name"]: {name: row["value"] for name, row in one["figures"].items()}
            for one in summary_of(folder)["structures"]}  # fmt: skip


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_of_results(files):
    goals = files["output"].parent / "mine.csv"
    goals.write_text(
        "structure,metric,limit,near\nPTV,D95%[Gy],>= 38,34\nLeft parotid,Mean[Gy],<= 26,\nHeart,Max,< 1,\n"
    )
    result = dose_dvh.run(Settings(**files, prescription=40, goals=(str(goals),)))
    out = files["output"]
    assert {path.name for path in out.iterdir()} == set(result.files.values())
    figures = figures_of(out)
    assert figures["PTV"]["Mean[Gy]"] == pytest.approx(40, abs=0.005)
    assert figures["PTV"]["D95%[Gy]"] == pytest.approx(35.5, abs=0.02)  # 35 to 45 Gy, evenly
    assert figures["PTV"]["D2%[Gy]"] == pytest.approx(44.8, abs=0.02)
    assert figures["PTV"]["V95%[%]"] == pytest.approx(70, abs=0.3)
    assert figures["Parotid_L"]["Mean[Gy]"] == pytest.approx(55, abs=0.005)
    assert [goal["state"] for goal in summary_of(out)["goals"]] == ["near", "fail", "absent"]
    assert summary_of(out)["structures"][0]["volume_cc"] == pytest.approx(4, abs=1e-6)
    assert any("empty, left out: Nothing" in text for text in result.warnings)
    curve = [row for row in rows_of(out / "dvh.csv") if row["structure"] == "PTV"]
    doses, volumes, parts = (np.array([float(row[name]) for row in curve]) for name in
                             ("dose_gy", "volume_percent", "differential_cc_per_gy"))  # fmt: skip
    assert np.abs(volumes - np.clip(10 * (45 - doses), 0, 100)).max() < 0.6
    assert np.sum(parts) * (doses[1] - doses[0]) == pytest.approx(4, rel=1e-4)
    page = (out / "report.html").read_text("utf-8")
    assert page.count("data:image/png") == 2
    assert "Research use only" in page
    assert "D95% ≥ 38 Gy (near: 34)" in page
    kinds = [item["kind"] for item in json.loads((out / "provenance.json").read_text("utf-8"))["inputs"]]
    assert kinds == ["image file, taken as Gy", ".seg.nrrd", "goals"]


def test_the_scene_has_chart_structures_and_dose(files):
    pytest.importorskip("slicer", reason="needs slicer-core")
    dose_dvh.run(Settings(**files))
    with zipfile.ZipFile(files["output"] / "scene.mrb") as bundle:
        names = [Path(name).name for name in bundle.namelist()]
        scene = bundle.read(next(name for name in bundle.namelist() if name.endswith(".mrml"))).decode()
        table = bundle.read(next(name for name in bundle.namelist() if name.endswith("DVH.tsv"))).decode()
    assert {"Dose.nrrd", "Structures.seg.nrrd", "DVH.tsv"} <= set(names)
    assert scene.count("<PlotSeries") == 2
    assert scene.count("<PlotChart") == 1
    rows = [line.split("\t") for line in table.splitlines()]
    assert rows[0] == ["Dose (Gy)", "PTV", "Parotid_L"]
    at_40 = min(rows[1:], key=lambda row: abs(float(row[0]) - 40))
    assert float(at_40[1]) == pytest.approx(50, abs=1)
    assert float(at_40[2]) == 100


def test_dicom_as_a_clinic_has_it(tmp_path):
    """RTDOSE, RTSTRUCT and CT; the same figures as from masks, by contours."""
    places = np.array([[-49.5, -39.5, -9.5 + k] for k in range(20)])
    frame = {"FrameOfReferenceUID": "1.2.826.1"}
    cb.write_series(tmp_path / "ct", np.zeros((20, 80, 120)), places=places, PixelSpacing=["1", "1"], **frame)
    reference = read_ct_reference(tmp_path / "ct")
    write_rtstruct(structure_set(reference.grid), reference, tmp_path / "rs.dcm")
    dose = write_rtdose_file(dose_volume(), tmp_path / "dose.dcm", **frame)
    common = {"dose": dose, "structures": tmp_path / "rs.dcm"}
    dose_dvh.run(Settings(**common, ct=tmp_path / "ct", output=tmp_path / "out"))
    figures = figures_of(tmp_path / "out")
    assert figures["PTV"]["D95%[Gy]"] == pytest.approx(35.5, abs=0.02)
    assert figures["Parotid_L"]["Mean[Gy]"] == pytest.approx(55, abs=0.005)
    with pytest.raises(InputError, match="--ct: is missing, and RTSTRUCT needs"):
        dose_dvh.run(Settings(**common, output=tmp_path / "o2"))
    for tag, words in (
        ("FrameOfReferenceUID", "another frame of reference than"),
        ("PatientID", "another patient than"),
    ):
        other = write_rtdose_file(dose_volume(), tmp_path / "other.dcm", **{**frame, tag: "1.2.3.4"})
        settings = {"dose": other, "structures": tmp_path / "rs.dcm", "ct": tmp_path / "ct", "output": tmp_path / tag}
        with pytest.raises(InputError, match=words):
            dose_dvh.run(Settings(**settings))
        assert not (tmp_path / tag).exists()
    result = dose_dvh.run(Settings(**settings, lenient=True))
    assert any(words in text for text in result.warnings)


def test_masks_and_surfaces_give_the_same(files, tmp_path):
    vtk = pytest.importorskip("vtk")
    write_masks(structure_set(GRID), tmp_path / "masks")
    (tmp_path / "masks" / "Nothing.nii.gz").unlink()
    (tmp_path / "surfaces").mkdir()
    for name, low in (("PTV", -10), ("Parotid_L", 20)):
        cube = vtk.vtkCubeSource()
        cube.SetBounds(low, low + 20, -10, 10, -5, 5)
        triangles = vtk.vtkTriangleFilter()
        triangles.SetInputConnection(cube.GetOutputPort())
        writer = vtk.vtkSTLWriter()
        writer.SetFileName(str(tmp_path / "surfaces" / f"{name}.stl"))
        writer.SetInputConnection(triangles.GetOutputPort())
        writer.Write()
    for source in ("masks", "surfaces"):
        dose_dvh.run(Settings(**{**files, "structures": tmp_path / source, "output": tmp_path / f"of {source}"}))
        figures = figures_of(tmp_path / f"of {source}")
        assert figures["PTV"]["D95%[Gy]"] == pytest.approx(35.5, abs=0.03), source
        assert figures["Parotid_L"]["Mean[Gy]"] == pytest.approx(55, abs=0.005), source


def test_a_second_dose_and_samples(files, tmp_path):
    write_volume(dose_volume(middle=42.0), tmp_path / "second.nrrd")
    (tmp_path / "samples").mkdir()
    for n, middle in enumerate(np.linspace(38, 42, 21)):
        write_volume(dose_volume(middle=float(middle)), tmp_path / "samples" / f"{n:02d}.nrrd")
    goals = tmp_path / "g.csv"
    goals.write_text("structure;metric;limit\nPTV;D95%[Gy];>= 35,05\n")
    settings = Settings(**files, reference=tmp_path / "second.nrrd", samples=tmp_path / "samples", goals=(str(goals),))
    dose_dvh.run(settings)
    figure = summary_of(files["output"])["structures"][0]["figures"]["D95%[Gy]"]
    assert figure["reference"] - figure["value"] == pytest.approx(2, abs=0.01)
    assert figure["band"] == pytest.approx([33.6, 37.4], abs=0.02)  # 95 % of 33.5 ... 37.5
    assert summary_of(files["output"])["goals"][0]["share_of_samples"] == pytest.approx(13 / 21)
    row = next(r for r in rows_of(files["output"] / "dvh.csv") if r["structure"] == "PTV" and float(r["dose_gy"]) >= 40)
    low, high = float(row["band_low_percent"]), float(row["band_high_percent"])
    assert (low, high) == pytest.approx(
        (10 * (45 - float(row["dose_gy"]) - 1.9), 10 * (45 - float(row["dose_gy"]) + 1.9)), abs=1
    )
    page = (files["output"] / "report.html").read_text("utf-8")
    assert "Bands: 95 %" in page
    assert "Met by" in page


def test_a_dose_that_ends_within_a_structure(files, tmp_path):
    """The grid ends at x = 0: half of the PTV is unknown, Parotid_L wholly."""
    dose = dose_volume()
    cut = Volume(np.ascontiguousarray(dose.array[:, :, :20]), dose.grid.crop((0, 0, 0), (31, 41, 20)))
    write_volume(cut, tmp_path / "cut.nrrd")
    goals = tmp_path / "g.csv"
    goals.write_text("structure,metric,limit\nPTV,D95%[Gy],>= 30\nPTV,Max[Gy],< 38\nParotid_L,Mean[Gy],<= 26\n")
    result = dose_dvh.run(Settings(**{**files, "dose": tmp_path / "cut.nrrd"}, goals=(str(goals),)))
    found = {one["name"]: one for one in summary_of(files["output"])["structures"]}
    assert found["PTV"]["unknown_cc"] == pytest.approx(2.3, abs=0.02)  # to the outer edge of the last voxel, -1.5 mm
    assert found["Parotid_L"]["unknown_cc"] == found["Parotid_L"]["volume_cc"]
    assert found["Parotid_L"]["figures"]["Mean[Gy]"]["value"] is None
    assert found["PTV"]["figures"]["Max[Gy]"]["high"] is None
    assert found["PTV"]["figures"]["Min[Gy]"]["value"] > 34
    assert [goal["state"] for goal in summary_of(files["output"])["goals"]] == ["unsure", "fail", "absent"]
    assert any("PTV: the dose grid ends within it; 57" in text for text in result.warnings)
    assert any("Parotid_L: it lies outside the dose grid" in text for text in result.warnings)
    page = (files["output"] / "report.html").read_text("utf-8")
    assert "A part of the structure has no known dose" in page


def test_other_units(files, tmp_path):
    dose = dose_volume()
    write_volume(Volume(dose.array * 100, dose.grid), tmp_path / "cgy.nrrd")
    settings = {**files, "dose": tmp_path / "cgy.nrrd", "prescription": 40}
    result = dose_dvh.run(Settings(**settings))
    assert any("times the prescription: other units" in text for text in result.warnings)
    dose_dvh.run(Settings(**settings, gy_per_unit=0.01, overwrite=True))
    assert figures_of(files["output"])["PTV"]["Mean[Gy]"] == pytest.approx(40, abs=0.01)
    relative = write_rtdose_file(dose, tmp_path / "relative.dcm", DoseUnits="RELATIVE")
    with pytest.raises(InputError, match="is a relative dose .* --gy-per-unit"):
        dose_dvh.run(Settings(**{**files, "dose": relative, "output": tmp_path / "o2"}))
    dose_dvh.run(Settings(**{**files, "dose": relative, "output": tmp_path / "o2"}, gy_per_unit=0.5))
    assert figures_of(tmp_path / "o2")["PTV"]["Mean[Gy]"] == pytest.approx(20, abs=0.01)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--prescription", "0"], "--prescription: is 0"),
        (["--metrics", "V95%[%]"], "is in percent of the prescription; add --prescription"),
        (["--metrics", "D95"], "'D95' is no figure of a DVH"),
        (["--goals", "quantek"], "quantek: is no protocol and no file"),
        (["--only", "PTW"], 'did you mean "PTV"?'),
        (["--only", "Nothing"], "holds no structure that is not empty"),
        (["--step", "0.00001"], "--step: 1e-05 Gy makes"),
        (["--series", "1.2"], "--series: is about a CT"),
        (["--names", "n.csv"], "--names: names the labels of a label map"),
        (["--frame", "RAS"], "--frame: is about surfaces"),
        (["--reference", "nothing.dcm"], "nothing.dcm: does not exist"),
        (["--samples", "nothing"], "nothing: is no folder"),
        (["--samples", "."], "bands need at least two"),
        (["--ct", "nothing"], "nothing: does not exist"),
    ],
)
def test_refused_in_one_line(files, tmp_path, capsys, monkeypatch, arguments, words):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    command = [
        "dose",
        "dvh",
        str(files["dose"]),
        "--structures",
        str(files["structures"]),
        "--output",
        str(files["output"]),
    ]
    assert main([*command, *arguments]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert words in errors[0]
    assert not files["output"].exists()


def test_structures_elsewhere(files, tmp_path):
    far = Grid.axial(GRID.shape, (1.0, 1.0, 1.0), (950.0, -39.5, -9.5))
    array = np.zeros(far.shape, bool)
    array[5:9, 5:9, 5:9] = True
    write_seg_nrrd(StructureSet(far, (Structure("PTV", Mask.from_array(array, far)),)), tmp_path / "far.seg.nrrd")
    with pytest.raises(InputError, match="has no structure within the dose grid"):
        dose_dvh.run(Settings(**{**files, "structures": tmp_path / "far.seg.nrrd"}))
    assert not files["output"].exists()


def test_a_name_that_is_a_formula_stays_text(tmp_path, files):
    found = structure_set(GRID)
    named = Structure("=2+5", found["PTV"].mask)
    write_seg_nrrd(StructureSet(GRID, (named,)), tmp_path / "f.seg.nrrd")
    dose_dvh.run(Settings(**{**files, "structures": tmp_path / "f.seg.nrrd"}))
    for name in ("dvh.csv", "figures.csv"):
        assert {row["structure"] for row in rows_of(files["output"] / name)} == {"'=2+5"}


def test_cancelled_leaves_nothing(files):
    def stop(event):
        raise Cancelled

    with pytest.raises(Cancelled):
        dose_dvh.run(Settings(**files), Progress(stop))
    assert not files["output"].exists()


# ---------------------------------------------------------------- a planning system and CERR
ECLIPSE = {
    "BRSTEM": "BRSTEM", "CTV": "CTV", "GTV": "GTV", "Optic Chiasm": "OpticChiasm", "Optic Nerve-Lt": "OpticNerveLt",
    "Orbit - left": "OrbitLeft", "PTV1": "PTV1", "optOptic": "optOptic",
}  # fmt: skip


def table_of(path: Path) -> dict[str, tuple[np.ndarray, float]]:
    """Name -> rows of (Gy, percent), volume in cc, of the tables of the data set."""
    with path.open(newline="") as file:
        head, *rows = csv.reader(file)
    found = {}
    for n in range(0, len(head) - 1, 2):
        pairs = [(float(row[n]), float(row[n + 1])) for row in rows if len(row) > n + 1 and row[n] and row[n + 1]]
        found[head[n].split("_Dvh")[0]] = np.array(pairs), float(head[n + 1].split("of ")[1].split(" cc")[0])
    return found


@pytest.fixture(scope="module")
def eclipse(shared_data, tmp_path_factory):
    """Our curves, by how contours end, and the tables."""
    folder = shared_data / "dicom_slicerrt_eclipse"
    ours = {}
    for ends in ("half-slice", "none"):
        out = tmp_path_factory.mktemp("dvh") / ends
        dose_dvh.run(Settings(dose=folder / "EclipseEnt_Dose.nrrd", structures=folder / "EclipseEnt_Structures.seg.vtm",
                              output=out, only=tuple(ECLIPSE), ends=ends))  # fmt: skip
        curves = rows_of(out / "dvh.csv")
        ours[ends] = {
            name: np.array(
                [(float(r["dose_gy"]), float(r["volume_percent"])) for r in curves if r["structure"] == name]
            )
            for name in ECLIPSE
        }
        ours[ends, "cc"] = {one["name"]: one["volume_cc"] for one in summary_of(out)["structures"]}
    return ours, *(table_of(folder / f"EclipseEnt_DvhTable_{name}.csv") for name in ("Eclipse", "CERR"))


def apart(ours: np.ndarray, table: np.ndarray, shift: float = 0.0) -> float:
    """Mean distance of two cumulative curves from 0.5 Gy on, percent of the volume."""
    doses = ours[:, 0]
    return float(np.abs(ours[:, 1] - np.interp(doses, table[:, 0] + shift, table[:, 1]))[doses > 0.5].mean())


def test_cerr_counts_half_a_slice_beyond_and_lists_middles_of_bins(eclipse):
    ours, _, cerr = eclipse
    for name, key in ECLIPSE.items():
        curve, volume = cerr[key]
        assert ours["half-slice", "cc"][name] == pytest.approx(volume, rel=0.012), name
        assert apart(ours["half-slice"][name], curve, 0.1) < 0.1, name
    # Without the shift by half of its bins of 0.2 Gy CERR's table lies 0.1 Gy below.
    orbit, table = ours["half-slice"]["Orbit - left"], cerr["OrbitLeft"][0]
    assert apart(orbit, table) > 3 * apart(orbit, table, 0.1)


def test_the_planning_system_ends_at_the_last_plane(eclipse):
    ours, tps, _ = eclipse
    for name, key in ECLIPSE.items():
        curve, volume = tps[key]
        assert ours["none", "cc"][name] == pytest.approx(volume, abs=0.03 * volume + 0.15), name
        assert apart(ours["none"][name], curve) < (0.4 if name in ("BRSTEM", "optOptic") else 0.15), name
    # Of a structure on three slices half a slice each side is a third of the volume.
    assert ours["half-slice", "cc"]["Optic Chiasm"] > 1.4 * tps["OpticChiasm"][1]
