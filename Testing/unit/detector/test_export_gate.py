"""Files for GATE 9 by a small interpreter of its macros, the script for GATE 10 by an imitation of opengate."""

from __future__ import annotations

import csv
import io
import runpy
import sys
import types

import numpy as np
import pytest
from builders.detector_builder import overlap_depths, small_layout
from Dose3DLib.detector.export_boxes import boxes_in_frame, surrounding_box
from Dose3DLib.detector.export_gate9 import gate9_files
from Dose3DLib.detector.export_gate10 import gate10_script, grid_on_faces
from Dose3DLib.detector.layout import Layout
from Dose3DLib.detector.layout_csv import read_layout
from Dose3DLib.detector.materials import PMMA, WATER
from Dose3DLib.detector.placement import Placement
from Dose3DLib.detector.presets import preset_layout


def made_of(layout: Layout, material=WATER, margin=50.0, cover=PMMA):
    boxes = boxes_in_frame(layout, layout.placement, cover)
    return boxes, surrounding_box(boxes, material, margin)


def run_macro(files: dict[str, str]) -> dict[str, dict]:
    """Volumes by name: mother, lengths, material, translation, places of its copies. Unknown commands fail."""
    volumes: dict[str, dict] = {"world": {"lengths": [0, 0, 0], "translation": np.zeros(3), "copies": [np.zeros(3)]}}
    pending = {}
    for line in files["detector.mac"].splitlines():
        if not line or line.startswith("#"):
            continue
        command, *values = line.split()
        _, gate, name, *rest = command.split("/")
        assert gate == "gate"
        match rest:
            case ["setMaterialDatabase"]:
                assert values[0] in files
            case ["daughters", "name"]:
                pending = {"name": values[0], "mother": name}
            case ["daughters", "insert"]:
                assert values == ["box"]
                volumes[pending["name"]] = {
                    "mother": pending["mother"],
                    "lengths": [0, 0, 0],
                    "translation": np.zeros(3),
                    "copies": [np.zeros(3)],
                }
            case ["geometry", length]:
                assert values[1] == "mm"
                volumes[name]["lengths"]["XYZ".index(length[3])] = float(values[0])
            case ["setMaterial"]:
                volumes[name]["material"] = values[0]
            case ["placement", "setTranslation"]:
                assert values[3] == "mm"
                volumes[name]["translation"] = np.array(values[:3], float)
            case ["repeaters", "insert"]:
                assert values == ["genericRepeater"]
            case ["genericRepeater", "setPlacementsFilename"]:
                volumes[name]["copies"] = placements(files[values[0]])
            case ["genericRepeater", "useRelativeTranslation"]:
                assert values == ["1"]
            case _:
                raise AssertionError(line)
    return volumes


def placements(text: str) -> list[np.ndarray]:
    lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
    assert lines[:3] == [["Time", "s"], ["Rotation", "deg"], ["Translation", "mm"]]
    rows = np.array(lines[3:], float)
    assert rows.shape[1] == 8
    assert not rows[:, :2].any()
    return list(rows[:, 5:])


@pytest.mark.parametrize("wall", [1.0, 0.0])
def test_gate9_has_each_cell_in_its_place(wall):
    layout = small_layout(wall_mm=wall)
    files = gate9_files(*made_of(layout), layout.name)
    volumes = run_macro(files)
    names = list(csv.DictReader(io.StringIO(files["cells.csv"])))
    assert sorted(int(row["row"]) for row in names) == list(range(len(layout)))
    middle = volumes["surroundings"]["translation"]
    outer = []
    for row in names:
        volume, index = volumes[row["volume"]], int(row["row"])
        center = middle + volume["copies"][int(row["copy"])]
        assert np.abs(center - layout.detector_centers_mm()[index]).max() < 1e-9
        assert np.allclose(volume["lengths"], layout.cells.sizes_mm[index] + 2 * wall)
        assert row["cell"] == layout.cells.labels[index]
        outer.append((center, volume["lengths"]))
    centers, sizes = (np.array(part) for part in zip(*outer, strict=True))
    assert overlap_depths(centers, sizes).max() <= 1e-9
    limits = np.array(volumes["surroundings"]["lengths"]) / 2
    assert (np.abs(centers - middle) + sizes / 2 <= limits - 50 + 1e-9).all()
    assert (np.abs(middle) + limits < np.array(volumes["world"]["lengths"]) / 2).all()
    assert np.allclose(volumes["cell_1"]["lengths"], 10)
    assert volumes["cell_1"]["material"] == "RMPS470"


def test_covers_of_another_material(opengate, tmp_path):
    layout = small_layout()
    volumes = run_macro(gate9_files(*made_of(layout, cover=WATER), "x"))
    assert (volumes["cover_1"]["material"], volumes["cell_1"]["material"]) == ("Water", "RMPS470")
    (tmp_path / "d.py").write_text(gate10_script(*made_of(layout, cover=WATER), "x"), "utf-8")
    runpy.run_path(str(tmp_path / "d.py"), run_name="__main__")
    assert FakeSimulation.last.volumes["cover_2"].material == "G4_WATER"


def test_gate9_materials_add_up():
    text = gate9_files(*made_of(small_layout()), "x")["materials.db"]
    used = {v["material"] for v in run_macro(gate9_files(*made_of(small_layout()), "x")).values()}
    blocks = text.split("[Materials]")[1].strip().split("\n")
    defined, name = {}, ""
    for line in blocks:
        if line.startswith(" "):
            defined[name][1].append(line.split("=")[-1])
        else:
            name, rest = line.split(":")
            defined[name] = (int(rest.split("n=")[1].split(";")[0]), [])
    assert used <= set(defined)
    assert all(count == len(parts) for count, parts in defined.values())
    assert sum(map(float, defined["Air"][1])) == pytest.approx(1, abs=1e-6)
    elements = {line.split(":")[0] for line in text.split("[Materials]")[0].splitlines() if ":" in line}
    assert {line.split("name=")[1].split(" ")[0] for line in blocks if "name=" in line} <= elements


def test_gate9_placements_are_a_layout_again(tmp_path):
    layout = preset_layout("procedural_shifted", Placement())
    boxes, around = made_of(layout)
    (tmp_path / "p.placements").write_text(gate9_files(boxes, around, "x")["cells_1.placements"], "utf-8")
    middle = layout.placement.lps(around.center_mm)
    found = read_layout(tmp_path / "p.placements", Placement(middle, layout.placement.to_lps))
    assert np.abs(found.cells.centers_mm - layout.cells.centers_mm).max() < 1e-9


class Anything(types.SimpleNamespace):
    """Takes any attribute, and gives one of its kind for what was not set."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        made = Anything()
        setattr(self, name, made)
        return made


class FakeSimulation:
    last = None

    def __init__(self):
        FakeSimulation.last = self
        self.world, self.volumes, self.actors, self.sources, self.materials, self.ran = Anything(), {}, {}, {}, {}, 0
        database = types.SimpleNamespace(add_material_nb_atoms=self._material)
        self.volume_manager = types.SimpleNamespace(material_database=database)

    def _material(self, name, elements, atoms, density):
        assert len(elements) == len(atoms)
        self.materials[name] = (dict(zip(elements, atoms, strict=True)), density)

    def add_volume(self, kind, name):
        assert kind == "Box"
        assert name not in self.volumes
        self.volumes[name] = types.SimpleNamespace(name=name, mother="world", translation=[0, 0, 0])
        return self.volumes[name]

    def add_actor(self, kind, name):
        assert kind == "DoseActor"
        self.actors[name] = Anything()
        return self.actors[name]

    def add_source(self, kind, name):
        self.sources[name] = Anything()
        return self.sources[name]

    def run(self):
        self.ran += 1


@pytest.fixture
def opengate(monkeypatch):
    units = types.SimpleNamespace(mm=2.0, g_cm3=5.0, MeV=7.0)  # odd units show where one is forgotten
    monkeypatch.setitem(sys.modules, "opengate", types.SimpleNamespace(Simulation=FakeSimulation, g4_units=units))
    return units


@pytest.mark.parametrize("wall", [1.0, 0.0])
def test_gate10_builds_each_cell(opengate, tmp_path, wall):
    layout = small_layout(wall_mm=wall, name='odd """ name')
    path = tmp_path / "detector.py"
    path.write_text(gate10_script(*made_of(layout, PMMA), layout.name), "utf-8")
    compile(path.read_text("utf-8"), str(path), "exec")
    namespace = runpy.run_path(str(path), run_name="__main__")
    sim, mm = FakeSimulation.last, opengate.mm
    assert sim.ran == 1
    around = sim.volumes["surroundings"]
    assert around.material == "G4_PLEXIGLASS"
    assert sim.materials["RMPS470"] == ({"H": 239, "C": 264, "N": 1, "O": 40}, 1.21 * opengate.g_cm3)
    labels, centers, sizes = [], [], []
    for kind in (1, 2):
        outer = sim.volumes[f"cover_{kind}" if wall else f"cell_{kind}"]
        assert outer.mother == "surroundings"
        named = [label for label, of, _ in namespace["CELLS"] if of == kind]
        labels += named
        centers += [np.add(t, around.translation) / mm for t in np.atleast_2d(outer.translation)]
        sizes += [np.array(outer.size) / mm] * len(named)
        if wall:
            assert sim.volumes[f"cell_{kind}"].mother == outer.name
            assert np.allclose(np.array(sim.volumes[f"cell_{kind}"].size) / mm + 2, sizes[-1])
    rows = [layout.cells.labels.index(label) for label in labels]
    assert sorted(rows) == list(range(len(layout)))
    assert np.allclose(centers, layout.detector_centers_mm()[rows], atol=1e-9)
    assert np.allclose(sizes, layout.cells.sizes_mm[rows] + 2 * wall)
    half = np.array(around.size) / 2 / mm
    assert (
        np.abs(np.array(centers) - np.array(around.translation) / mm) + np.array(sizes) / 2 <= half - 50 + 1e-9
    ).all()
    assert (np.abs(np.array(around.translation)) + np.array(around.size) / 2 < np.array(sim.world.size) / 2).all()


def test_gate10_scores_over_all_cells(opengate, tmp_path):
    layout = preset_layout("procedural", Placement())
    path = tmp_path / "d.py"
    path.write_text(gate10_script(*made_of(layout), "x"), "utf-8")
    runpy.run_path(str(path), run_name="__main__")
    dose = FakeSimulation.last.actors["dose"]
    assert dose.attached_to == "world"
    extent = np.array(dose.size) * np.array(dose.spacing) / opengate.mm
    low = np.array(dose.translation) / opengate.mm - extent / 2
    faces = layout.detector_centers_mm()[:, None] + np.array([-5.0, 5.0])[None, :, None]
    assert np.allclose(faces.min(axis=(0, 1)), low)
    assert np.allclose(faces.max(axis=(0, 1)), low + extent)
    steps = (faces - low) / (np.array(dose.spacing) / opengate.mm)
    assert np.allclose(steps, np.rint(steps))


def test_the_grid_of_the_dose_falls_back():
    boxes, _ = made_of(small_layout())
    spacing, low, voxels = grid_on_faces(boxes)
    faces = np.concatenate([boxes.centers_mm - boxes.sizes_mm / 2, boxes.centers_mm + boxes.sizes_mm / 2])
    assert spacing == 1.0  # one cell lies at 36.5 and 8.25 mm
    assert (low + voxels * spacing >= faces.max(axis=0) - 1e-9).all()
    assert np.allclose(low, faces.min(axis=0))


def test_importing_the_script_runs_nothing(opengate, tmp_path):
    FakeSimulation.last = None
    path = tmp_path / "d.py"
    path.write_text(gate10_script(*made_of(small_layout()), "x"), "utf-8")
    runpy.run_path(str(path))
    assert FakeSimulation.last is None
