"""Scene and views without a page: what is shown, and that each switch changes the picture."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core")
from Dose3DLib.core.errors import InputError
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


def test_position_in_words(plain):
    plain.views["Red"].set_slice_value(-32.5)
    plain.views["Yellow"].set_slice_value(18.0)
    assert plain.slice_facts("Red")["label"] == "I 32.5 mm"
    assert plain.slice_facts("Yellow")["label"] == "R 18.0 mm"


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
