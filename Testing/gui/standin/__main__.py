"""The window of the stand-in: the three modules, Slicer's own views, no Slicer.

python3 run.py gui [--module NAME] [--scene FILE.mrb] [--dark] [--screenshot FILE.png]
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

MODULES = ("Dose3D", "Dose3DSegment", "Dose3DPhaseSpace")


def main(arguments: list[str] | None = None) -> int:
    """Show the window until it is closed; with --screenshot write a picture and end. Exit code 2: cannot be shown."""
    parser = argparse.ArgumentParser(prog="run.py gui", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--module", choices=MODULES, default="Dose3DSegment", help="page to open (default: %(default)s)"
    )
    parser.add_argument("--scene", type=Path, help="scene to load (.mrb)")
    parser.add_argument("--dark", action="store_true", help="dark colours")
    parser.add_argument("--screenshot", type=Path, help="write a picture of the window and end")
    given = parser.parse_args(arguments)
    if given.scene and not given.scene.is_file():
        parser.error(f"--scene {given.scene}: is no file; give a scene.mrb")
    if problem := _display_problem(given.screenshot is not None):
        print(f"error: {problem}", file=sys.stderr)
        return 2
    return _show(given)


def _display_problem(is_picture: bool) -> str:
    """Why no window can appear, or ""; a picture needs no display."""
    if is_picture:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    elif sys.platform.startswith("linux") and not any(os.environ.get(n) for n in ("DISPLAY", "WAYLAND_DISPLAY")):
        return "no display; start it in a desktop session, or use --screenshot FILE.png"
    try:
        import PySide6.QtWidgets  # noqa: F401
    except ImportError as error:
        packages = "libglib2.0-0 libgl1 libegl1 libxkbcommon0 libfontconfig1 libdbus-1-3"
        return f"Qt cannot be loaded ({error}); on Debian and Ubuntu: sudo apt install {packages}"
    return ""


def _show(given: argparse.Namespace) -> int:
    from .desktop import start

    application = start(testing=False)
    if given.dark:
        application.use_dark_palette()
    if given.scene:
        application.slicer.util.loadScene(str(given.scene.absolute()))
    application.slicer.util.selectModule(given.module)
    if given.screenshot:
        application.screenshot(given.screenshot.absolute())
        print(given.screenshot)
        application.close()
        return 0
    return application.run()


if __name__ == "__main__":
    sys.exit(main())
