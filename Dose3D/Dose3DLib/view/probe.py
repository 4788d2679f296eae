"""Whether this machine can draw: tried in a process of its own, since VTK ends the process where OpenGL is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..core.errors import ResourceError
from ..core.interpreter import library_path, python_executable

__all__ = ["drawing_probe", "prefer_off_screen", "wait_for_probe"]

_SECONDS = 60.0


def prefer_off_screen() -> None:
    """Before VTK is loaded: on Linux never a window of the user's desktop, but EGL (or OSMesa where only that is)."""
    if sys.platform.startswith("linux"):
        os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")


@contextmanager
def drawing_probe() -> Iterator[subprocess.Popen[bytes]]:
    """Start the trial; leaving the block ends it."""
    process = subprocess.Popen(
        [python_executable(), "-m", "Dose3DLib.view.probe"],
        env={**os.environ, "PYTHONPATH": library_path()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def wait_for_probe(process: subprocess.Popen[bytes]) -> None:
    """Return when the trial went well.

    Raises
    ------
    ResourceError
        it did not: OpenGL is missing or broken.
    """
    try:
        drawn = process.wait(_SECONDS) == 0
    except subprocess.TimeoutExpired:
        drawn = False
    if not drawn:
        raise ResourceError(
            "dose3d view",
            "cannot draw on this machine (OpenGL is missing or broken)",
            "install it (Debian, Ubuntu: apt install libgl1 libegl1)",
        )


def main() -> int:
    """Draw one red picture off screen; 0 when it is red."""
    import vtkmodules.vtkRenderingOpenGL2  # noqa: F401  the drawing back end registers itself
    from vtkmodules.vtkRenderingCore import vtkRenderer, vtkRenderWindow, vtkWindowToImageFilter

    renderer, window = vtkRenderer(), vtkRenderWindow()
    renderer.SetBackground(1.0, 0.0, 0.0)
    window.SetOffScreenRendering(1)
    window.SetMultiSamples(0)
    window.SetSize(16, 16)
    window.AddRenderer(renderer)
    window.Render()
    grab = vtkWindowToImageFilter()
    grab.SetInput(window)
    grab.ReadFrontBufferOff()
    grab.Update()
    return 0 if grab.GetOutput().GetScalarComponentAsDouble(8, 8, 0, 0) > 200 else 1


if __name__ == "__main__":
    sys.exit(main())
