"""The 3-D picture, and the reasons when there is none."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest
from Dose3DLib.geometry.grid import Grid
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet
from Dose3DLib.scene import picture

needs_shebang = pytest.mark.skipif(sys.platform == "win32", reason="Windows starts no scripts by their first line")
RED, GREEN = (220, 30, 30), (30, 200, 30)


def _two_balls() -> StructureSet:
    """A red ball at the patient's left and low, a green one at the right and high, in a box-like body."""
    grid = Grid.axial((40, 40, 40), (3.0, 3.0, 3.0), (-60.0, -60.0, 0.0))
    k, j, i = np.indices(grid.shape)
    left = (i - 29) ** 2 + (j - 20) ** 2 + (k - 10) ** 2 < 36
    right = (i - 10) ** 2 + (j - 20) ** 2 + (k - 30) ** 2 < 36
    body = (i - 20) ** 2 + (j - 20) ** 2 < 18**2
    return StructureSet(
        grid,
        (
            Structure("BODY", Mask.from_array(body, grid), color=(0, 0, 255), interpreted_type="EXTERNAL"),
            Structure("Left", Mask.from_array(left, grid), color=RED),
            Structure("Right", Mask.from_array(right, grid), color=GREEN),
        ),
    )


def _center(pixels: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """(row, column) centre of the pixels of one hue."""
    strongest = int(np.argmax(color))
    others = [c for c in range(3) if c != strongest]
    hits = (pixels[..., [strongest]] > pixels[..., others].astype(int) + 60).all(axis=-1)
    assert hits.sum() > 200
    return np.argwhere(hits).mean(axis=0)


def test_picture_is_seen_from_the_front_with_left_on_the_right(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="needs pillow")
    result = picture.render_3d(_two_balls(), tmp_path / "view.png")
    if result.path is None:
        pytest.skip(f"this machine draws no 3-D picture: {result.note}")
    pixels = np.asarray(image.open(result.path).convert("RGB"))
    left, right = _center(pixels, RED), _center(pixels, GREEN)
    assert left[1] > right[1]  # the patient's left is on the right of a picture from the front
    assert left[0] > right[0]  # lower in the patient is lower in the picture
    assert (pixels > 250).all(axis=-1).mean() > 0.05  # white paper around
    assert "translucent" in result.note


def _draw_in_child(folder, code, *paths):
    """Run `code`, then the child's main, with these folders first on Python's path; how it ended, and its PNG."""
    job = picture._write_job(list(_two_balls()), folder, folder / "view.png", 300)
    program = f"from Dose3DLib.scene import picture_child as child\n{code}\nraise SystemExit(child.main({str(job)!r}))"
    path = os.pathsep.join([*map(str, paths), picture.library_path()])
    environment = {"VTK_DEFAULT_OPENGL_WINDOW": "vtkEGLRenderWindow", **os.environ, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    return done, folder / "view.png"


def _same_places(one, other):
    """Both pictures show the balls within two pixels of the same places."""
    image = pytest.importorskip("PIL.Image", reason="needs pillow")
    a, b = (np.asarray(image.open(path).convert("RGB")) for path in (one, other))
    return all(np.abs(_center(a, c) - _center(b, c)).max() < 2 for c in (RED, GREEN))


def test_slicers_own_view_draws_where_it_is_installed_and_shows_the_same(tmp_path):
    pytest.importorskip("trame_slicer", reason='needs trame-slicer (pip install "dose3d[view]")')
    for name in ("view", "plain"):
        (tmp_path / name).mkdir()
    plain, plain_png = _draw_in_child(tmp_path / "plain", "child.find_spec = lambda name: None")
    if plain.returncode != 0:
        pytest.skip(f"this machine draws no 3-D picture: {plain.stderr[-200:]}")
    by_view, view_png = _draw_in_child(tmp_path / "view", "child._plain_window = None")
    assert by_view.returncode == 0, by_view.stderr
    assert by_view.stderr == ""
    assert _same_places(plain_png, view_png)
    pixels = np.asarray(pytest.importorskip("PIL.Image").open(view_png).convert("RGB"))
    assert (pixels > 250).all(axis=-1).mean() > 0.05  # white paper around
    assert ((pixels < 250) & (pixels > 180)).all(axis=-1).mean() > 0.05  # the hull, which opaque views may not lose


def test_a_view_that_fails_leaves_the_plain_picture(tmp_path):
    broken = tmp_path / "packages" / "trame_slicer"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise RuntimeError('another version')")
    done, png = _draw_in_child(tmp_path, "", tmp_path / "packages")
    if done.returncode != 0 and "another version" not in done.stderr:
        pytest.skip(f"this machine draws no 3-D picture: {done.stderr[-200:]}")
    assert done.returncode == 0, done.stderr
    assert "another version" in done.stderr
    assert png.stat().st_size > 1000


def test_no_structures_is_a_reason(tmp_path):
    grid = _two_balls().grid
    result = picture.render_3d(StructureSet(grid, (Structure("A", Mask.empty(grid)),)), tmp_path / "view.png")
    assert result == picture.PictureResult(None, "none: there is no structure to draw")


@needs_shebang
def test_a_child_that_hangs_is_ended(tmp_path, monkeypatch):
    program = tmp_path / "slow"
    program.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    program.chmod(0o755)
    monkeypatch.setattr(picture, "python_executable", lambda: str(program))
    result = picture.render_3d(_two_balls(), tmp_path / "view.png", timeout_s=0.3)
    assert result.path is None
    assert "took more than 0.3 s" in result.note


@needs_shebang
@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("import os; os.kill(os.getpid(), 11)", "libgl1"),
        ("import sys; sys.exit('ImportError: libGL.so.1: cannot open shared object file')", "libgl1"),
        ("import sys; sys.exit(\"ModuleNotFoundError: No module named 'vtkmodules'\")", "VTK is not installed"),
        ("import sys; sys.exit('ValueError: odd')", "odd"),
        ("pass", "wrote nothing"),
    ],
)
def test_a_child_that_fails_gives_its_reason(tmp_path, monkeypatch, action, words):
    program = tmp_path / "broken"
    program.write_text(f"#!{sys.executable}\n{action}\n")
    program.chmod(0o755)
    monkeypatch.setattr(picture, "python_executable", lambda: str(program))
    result = picture.render_3d(_two_balls(), tmp_path / "view.png")
    assert result.path is None
    assert words in result.note
    assert not (tmp_path / "view.png").exists()


def test_leaving_early_ends_the_child(tmp_path):
    with picture.start_3d(_two_balls(), tmp_path / "view.png") as drawing:
        process = drawing._process
    assert process.poll() is not None


def test_a_body_is_drawn_coarsely_so_that_no_face_shows():
    structures = _two_balls()
    fine = Grid.axial((4, 60, 60), (2.0, 0.5, 0.5), (0.0, 0.0, 0.0))
    body = dataclasses.replace(structures["BODY"], mask=Mask.from_array(np.ones(fine.shape, bool), fine))
    block, step = picture._coarsened(body.mask)
    assert step == 6
    assert block.shape == (4, 10, 10)
