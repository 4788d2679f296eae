"""A 3-D picture of structures, drawn off screen in a process of its own.

VTK needs a system OpenGL library and ends the whole process where one is missing or broken, so the drawing runs in a
child with a time limit, and the caller gets a sentence instead of a crash.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ..core.errors import ResourceError
from ..core.interpreter import library_path, python_executable
from ..geometry.mask import Mask
from ..geometry.structure import Structure, StructureSet
from .frame import orthogonal_frame

__all__ = ["Drawing", "PictureResult", "render_3d", "start_3d"]

_LIBRARIES = "needs the system libraries libgl1 and libegl1 (Debian, Ubuntu: apt install libgl1 libegl1)"
_CAPTION = "Surfaces seen from the front left"
_FINEST_BODY_MM = 3.0
"""The body is drawn from voxels no smaller than this: a hint of the outline, not of the face."""


@dataclass(frozen=True)
class PictureResult:
    """`path` of the PNG, or None; `note` is the picture's caption, or the reason why there is none."""

    path: Path | None
    note: str


def render_3d(structures: StructureSet, path_png: Path, pixels: int = 640, timeout_s: float = 60.0) -> PictureResult:
    """Draw the structures' surfaces from the front left; an EXTERNAL structure is a very translucent, coarse hull.

    Organs stand in their colours; the face of a patient is not recognisable in the hull by design (coarse voxels and
    strong smoothing), yet a picture of a patient stays patient data.

    Parameters
    ----------
    pixels:
        width of the picture.

    Never raises because of the graphics: what went wrong is the note.
    """
    with start_3d(structures, path_png, pixels) as drawing:
        return drawing.finish(timeout_s)


def start_3d(structures: StructureSet, path_png: Path, pixels: int = 640) -> Drawing:
    """Begin `render_3d` and return at once, so that other work goes on meanwhile; collect it with `finish`.

    Use it as a context manager: leaving the block ends the child, whatever happened.
    """
    return Drawing(structures, Path(path_png), pixels)


class Drawing:
    """A drawing under way."""

    def __init__(self, structures: StructureSet, path_png: Path, pixels: int):
        solid = [s for s in structures if not s.mask.is_empty]
        self._path, self._process, self._reason = path_png, None, None
        self._hull = any(s.interpreted_type == "EXTERNAL" for s in solid)
        self._room = TemporaryDirectory(prefix="dose3d-picture-", ignore_cleanup_errors=True)
        if not solid:
            self._reason = "there is no structure to draw"
            return
        try:
            self._process = _start_child(_write_job(solid, Path(self._room.name), path_png, pixels))
        except (OSError, ResourceError) as error:
            self._reason = f"the drawing process did not start ({error})"

    def __enter__(self) -> Drawing:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._room.cleanup()

    def finish(self, timeout_s: float = 60.0) -> PictureResult:
        """Wait for the picture; a child that takes longer is ended."""
        reason = self._reason if self._process is None else _wait(self._process, timeout_s)
        if reason is None and not self._path.is_file():
            reason = "the drawing process wrote nothing"
        if reason is not None:
            self._path.unlink(missing_ok=True)
            return PictureResult(None, f"none: {reason}")
        return PictureResult(
            self._path, f"{_CAPTION}; the body is a translucent hull." if self._hull else f"{_CAPTION}."
        )


def _write_job(structures: list[Structure], room: Path, path_png: Path, pixels: int) -> Path:
    parts = []
    for index, structure in enumerate(structures):
        external = structure.interpreted_type == "EXTERNAL"
        block, step = _coarsened(structure.mask) if external else (structure.mask.block, 1)
        np.save(room / f"{index}.npy", block.astype(np.uint8))
        parts.append(
            {
                "file": str(room / f"{index}.npy"),
                "origin": list(structure.mask.offset[::-1]),
                "step": step,
                "color": [c / 255 for c in structure.color],
                "hull": external,
            }
        )
    exact = structures[0].mask.grid
    ijk_to_ras, shear = orthogonal_frame(exact)
    matrix = ijk_to_ras if shear is None else shear @ ijk_to_ras
    job = room / "job.json"
    job.write_text(
        json.dumps({"parts": parts, "matrix": matrix.tolist(), "png": str(path_png.resolve()), "pixels": pixels}),
        encoding="utf-8",
    )
    return job


def _coarsened(mask: Mask) -> tuple[np.ndarray, int]:
    step = max(1, round(_FINEST_BODY_MM / min(mask.grid.spacing_mm[1:])))
    return np.ascontiguousarray(mask.block[:, ::step, ::step]), step


def _start_child(job: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": library_path()}
    if sys.platform.startswith("linux"):
        # Never a window of the user's desktop: EGL, or OSMesa where VTK finds only that.
        environment.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
    command = [python_executable(), "-m", "Dose3DLib.scene.picture_child", str(job)]
    # Messages go to a file: a full pipe would stop a child that nobody reads while other work goes on.
    with (job.parent / "messages.txt").open("wb") as messages:
        return subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=messages,
            stderr=subprocess.STDOUT,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )


def _wait(process: subprocess.Popen[bytes], timeout_s: float) -> str | None:
    """None when the drawing went well, else the reason."""
    try:
        code = process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return f"drawing took more than {timeout_s:g} s"
    if code == 0:
        return None
    job = Path(str(process.args[-1]))
    return _explain((job.parent / "messages.txt").read_text(encoding="utf-8", errors="replace"), code)


def _explain(messages: str, code: int) -> str:
    if "No module named" in messages:
        return "VTK is not installed (pip install vtk)"
    lines = [line for line in messages.splitlines() if line.strip()]
    if any(word in messages for word in ("libGL", "libEGL", "OpenGL", "EGL", "X server", "RenderWindow")) or code < 0:
        return _LIBRARIES
    return f"drawing failed ({lines[-1][:160]})" if lines else _LIBRARIES
