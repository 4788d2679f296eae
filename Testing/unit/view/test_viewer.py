"""Scene and views without a page: what is shown, and that each switch changes the picture."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core")
from Dose3DLib.core.errors import InputError
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet
from scene_builder import HOSTILE, ball_grid, ct, dose, structures, write_scene_file


@pytest.fixture
def plain(tmp_path, open_viewer):
    grid = ball_grid()
    return open_viewer(write_scene_file(tmp_path / "a.mrb", {"Łódź µ": ct(grid)}, structures(grid), patient="Łódź µ"))


@pytest.fixture
def with_dose(tmp_path, open_viewer):
    grid = ball_grid()
    volumes = {"CT": ct(grid), "Plan": dose(grid)}
    return open_viewer(write_scene_file(tmp_path / "a.mrb", volumes, structures(grid), unit="Gy"))


def differing(a, b):
    return float((np.abs(a - b).max(axis=-1) > 20).mean())


def test_names_survive(plain):
    assert plain.title == "Łódź µ"
    assert [node.GetName() for node in plain.volumes()] == ["Łódź µ"]
    assert [(s.name, s.color, s.is_shown) for s in plain.surfaces()] == [
        ("Bone", (220, 30, 30), True),
        ("BODY", (0, 0, 255), True),
    ]
    assert plain.overlay is None


def test_slices_go_through_the_middle_and_hold_the_body(plain, grab):
    for name in ("Red", "Yellow", "Green"):
        facts = plain.slice_facts(name)
        assert abs(facts["value"]) <= 2.5
        pixels = grab(plain.views[name])
        edges = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        assert edges.max() == 0, name  # nothing is cut off
        rows = np.flatnonzero(pixels.max(axis=(1, 2)) > 90)
        assert 0.8 < np.ptp(rows) / 200 < 1.0, name  # and it is as large as it fits


@pytest.mark.parametrize("name", ["Red", "Yellow", "Green"])
def test_position_in_words_is_where_the_plane_is(plain, name):
    view = plain.views[name]
    for offset in (-32.5, 18.0):
        view.set_slice_value(offset)
        matrix = view.get_view_node().GetSliceToRAS()
        axis = {"Red": 2, "Yellow": 0, "Green": 1}[name]
        place = matrix.GetElement(axis, 3)  # RAS millimetres
        assert plain.slice_facts(name)["label"] == f"{'RAS'[axis] if place > 0 else 'LPI'[axis]} {abs(place):.1f} mm"


def test_an_organ_that_was_not_found_is_said_to_be_empty(tmp_path, open_viewer):
    grid = ball_grid()
    found = structures(grid)
    missing = Structure("Larynx", Mask.empty(grid))
    viewer = open_viewer(write_scene_file(tmp_path / "a.mrb", {"CT": ct(grid)}, StructureSet(grid, (*found, missing))))
    assert [(s.name, s.is_empty) for s in viewer.surfaces()] == [("Bone", False), ("BODY", False), ("Larynx", True)]


def test_edges_are_named_as_radiologists_look(plain):
    assert plain.slice_facts("Red")["edges"] == ["R", "L", "A", "P"]
    assert plain.slice_facts("Yellow")["edges"] == ["A", "P", "S", "I"]
    assert plain.slice_facts("Green")["edges"] == ["R", "L", "S", "I"]


def test_an_image_alone_is_seen_in_3d_by_its_slices(tmp_path, open_viewer, grab):
    viewer = open_viewer(write_scene_file(tmp_path / "a.mrb", {"CT": ct(ball_grid())}))
    assert (grab(viewer.views["ThreeD"]).min(axis=-1) > 200).mean() > 0.002  # the white bone in them


def test_segments_can_be_switched(plain, grab):
    bone, body = (s.key for s in plain.surfaces())
    before = {name: grab(view) for name, view in plain.views.items()}
    plain.show(bone, False)
    assert [s.is_shown for s in plain.surfaces()] == [False, True]
    for name, view in plain.views.items():
        assert differing(before[name], grab(view)) > 0.005, name
    plain.show_all(False)
    assert not any(s.is_shown for s in plain.surfaces())
    plain.show_all(True)
    for name, view in plain.views.items():
        assert differing(before[name], grab(view)) < 0.001, name


def test_a_translucent_body_is_seen_in_3d(plain, grab):
    bone, body = (s.key for s in plain.surfaces())
    plain.views["ThreeD"].renderer().ResetCamera()
    with_body = grab(plain.views["ThreeD"])
    plain.show(body, False)
    assert differing(with_body, grab(plain.views["ThreeD"])) > 0.1


def test_opacity_concerns_all_segments(plain, grab):
    before = grab(plain.views["ThreeD"])
    plain.opacity = 0.3
    assert plain.opacity == 0.3
    assert differing(before, grab(plain.views["ThreeD"])) > 0.02


def test_window(plain, grab):
    assert plain.window == (400, 40)
    before = grab(plain.views["Red"])
    plain.set_window(1800, 400)
    assert plain.window == (1800, 400)
    assert differing(before, grab(plain.views["Red"])) > 0.1


def test_dose_lies_over_the_image_with_its_unit(with_dose, grab):
    assert with_dose.overlay.node.GetName() == "Plan"
    assert with_dose._volume(with_dose.background_id).GetName() == "CT"
    scale = with_dose.overlay.scale()
    assert scale["unit"] == "Gy"
    assert float(scale["ticks"][0]) == 0
    assert float(scale["ticks"][-1]) == pytest.approx(60, rel=0.05)
    assert scale["colors"][0] != scale["colors"][-1]
    with_dose.show_all(False)
    colored = grab(with_dose.views["Red"])
    middle = colored[100, 120]
    assert middle[0] > middle[2] + 50  # the highest dose is red
    with_dose.set_overlay(None)
    assert np.ptp(grab(with_dose.views["Red"]), axis=-1).max() == 0  # grey again


def test_overlay_hides_low_dose_and_takes_another_top(with_dose, grab):
    with_dose.show_all(False)
    with_dose.set_overlay_opacity(1.0)
    colored = lambda: (np.ptp(grab(with_dose.views["Red"]), axis=-1) > 30).mean()  # noqa: E731
    at_first = colored()
    with_dose.overlay.floor = 0.5
    assert 0 < colored() < 0.7 * at_first
    with_dose.overlay.floor = 0.0
    assert colored() > at_first
    with_dose.overlay.top = 30.0
    assert float(with_dose.overlay.scale()["ticks"][-1]) == 30


def test_an_overlay_gives_its_look_back(with_dose, grab):
    plan, window = with_dose.overlay.node, (400.0, 40.0)
    with_dose.show_all(False)
    with_dose.set_background(plan.GetID())
    assert with_dose.overlay is None
    assert with_dose.window == window
    assert np.ptp(grab(with_dose.views["Red"]), axis=-1).max() == 0


def test_second_volume_without_unit_states_none(tmp_path, open_viewer):
    grid = ball_grid()
    viewer = open_viewer(write_scene_file(tmp_path / "a.mrb", {"CT": ct(grid), "Other": dose(grid)}))
    assert viewer.overlay is None
    assert viewer.surfaces() == []
    viewer.set_overlay(viewer.volumes()[1].GetID())
    assert viewer.overlay.scale()["unit"] == ""


def test_a_difference_has_a_symmetric_scale_and_hides_nothing(tmp_path, open_viewer):
    grid = ball_grid()
    difference = dose(grid, 4.0)
    difference.array[:15] *= -0.5
    viewer = open_viewer(write_scene_file(tmp_path / "a.mrb", {"CT": ct(grid), "Difference": difference}, unit="Gy"))
    assert viewer.overlay.is_signed
    assert viewer.overlay.floor == 0
    assert [float(tick) for tick in viewer.overlay.scale()["ticks"]] == pytest.approx([-4, -2, 0, 2, 4], rel=0.05)
    viewer.overlay.top = 1.0
    viewer.overlay.floor = 0.5
    assert viewer.overlay.floor == 0
    assert [float(tick) for tick in viewer.overlay.scale()["ticks"]] == [-1, -0.5, 0, 0.5, 1]


def test_isodoses_are_surfaces_that_can_be_switched(tmp_path, open_viewer, grab):
    from Dose3DLib.scene import mrb
    from Dose3DLib.scene.nodes import add_volume
    from vtkmodules.vtkFiltersSources import vtkSphereSource

    scene = mrb.new_scene().GetMRMLScene()
    mrb.store_as(add_volume(scene, ct(ball_grid()), "CT"), "CT.nrrd")
    sphere = vtkSphereSource()
    sphere.SetRadius(40.0)
    sphere.Update()
    model = scene.AddNewNodeByClass("vtkMRMLModelNode", "50 %")
    model.SetAndObservePolyData(sphere.GetOutput())
    model.CreateDefaultDisplayNodes()
    model.GetDisplayNode().SetColor(1.0, 0.5, 0.0)
    model.GetDisplayNode().SetOpacity(0.8)
    mrb.store_as(model, "isodose.vtk")
    mrb.save_scene(scene, tmp_path / "a.mrb")
    viewer = open_viewer(tmp_path / "a.mrb")
    assert [(s.name, s.color, s.is_shown) for s in viewer.surfaces()] == [("50 %", (255, 128, 0), True)]
    assert not viewer.has_segments
    shown = grab(viewer.views["ThreeD"])
    viewer.opacity = 0.5
    assert model.GetName() == "50 %"
    assert viewer._nodes("vtkMRMLModelNode")[-1].GetDisplayNode().GetOpacity() == pytest.approx(0.4)
    viewer.opacity = 1.0
    viewer.show_all(False)
    assert differing(shown, grab(viewer.views["ThreeD"])) > 0.1


def test_slices_begin_where_the_scene_has_them(tmp_path, open_viewer):
    from Dose3DLib.scene import mrb
    from Dose3DLib.scene.nodes import add_volume

    scene = mrb.new_scene().GetMRMLScene()
    mrb.store_as(add_volume(scene, ct(ball_grid()), "CT"), "CT.nrrd")
    inner = np.array([-22.0, 6.0, 31.0])
    mrb.add_views(scene, (np.full(3, -75.0), np.full(3, 75.0)), (inner - 5, inner + 5))
    mrb.save_scene(scene, tmp_path / "a.mrb")
    viewer = open_viewer(tmp_path / "a.mrb")
    for name, words in {"Yellow": "L 22.0 mm", "Green": "A 6.0 mm", "Red": "S 32.5 mm"}.items():
        assert viewer.slice_facts(name)["label"] == words


def test_a_scene_of_slicer_with_unknown_nodes_is_shown_and_said_to_be_incomplete(tmp_path, open_viewer):
    import zipfile

    whole = write_scene_file(tmp_path / "a.mrb", {"CT": ct(ball_grid())})
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(tmp_path / "b.mrb", "w") as new:
        for item in old.infolist():
            data = old.read(item)
            if item.filename.endswith(".mrml"):
                data = data.replace(b"</MRML>", b'<Fancy id="vtkMRMLFancyNode1" name="x"></Fancy></MRML>')
            new.writestr(item.filename, data)
    viewer = open_viewer(tmp_path / "b.mrb")
    assert not viewer.is_complete
    assert [node.GetName() for node in viewer.volumes()] == ["CT"]


def test_oblique_volume_is_seen_straight_through_its_own_slices(tmp_path, open_viewer, grab):
    grid = ball_grid(20.0)
    viewer = open_viewer(write_scene_file(tmp_path / "a.mrb", {"CT": ct(grid)}, structures(grid)))
    assert "oblique" in viewer.slice_facts("Red")["label"]
    for name in ("Red", "Yellow", "Green"):
        assert grab(viewer.views[name])[100, 120].max() > 150, name  # the ball of bone


def test_names_are_only_names(tmp_path, open_viewer):
    grid = ball_grid()
    path = write_scene_file(tmp_path / "a.mrb", {HOSTILE: ct(grid)}, structures(grid, HOSTILE), patient=HOSTILE)
    viewer = open_viewer(path)
    assert viewer.title == HOSTILE
    assert viewer.surfaces()[0].name == HOSTILE


def test_a_zoom_survives_a_new_size(plain):
    from vtkmodules.vtkCommonCore import vtkCommand

    view = plain.views["Red"]
    node = view.get_view_node()

    def resize(*size):
        view.interactor().UpdateSize(*size)
        view.interactor().InvokeEvent(vtkCommand.WindowResizeEvent)
        return node.GetFieldOfView()[0] / node.GetDimensions()[0]

    assert resize(480, 400) == pytest.approx(resize(240, 200) / 2)
    view.zoom(0.5)
    zoomed = node.GetFieldOfView()[0] / node.GetDimensions()[0]
    resize(37, 800)
    assert resize(240, 200) == pytest.approx(zoomed)


def test_a_scene_of_nothing_is_refused(tmp_path, open_viewer):
    with pytest.raises(InputError, match="holds neither an image nor a segment"):
        open_viewer(write_scene_file(tmp_path / "a.mrb", {}))
