"""The batch door inside Slicer, which ends Slicer with the task's exit code.

``Slicer --no-main-window --python-script Dose3D/Dose3DLib/cli/slicer_batch.py segment run CT --output OUT``

Left alone, Slicer stays open after a script, and an exception does not change its exit code. Under a plain Python the
same file works, too. (Slicer keeps --help and --version for itself; `PythonSlicer -m Dose3DLib.cli` shows ours.)
"""

import sys
import traceback
from pathlib import Path

LIBRARY_ROOT = Path(__file__).resolve().parents[2]


def leave(code: int) -> None:
    """End Slicer, or a plain Python, with this exit code."""
    for stream in (sys.stdout, sys.stderr):
        getattr(stream, "flush", lambda: None)()
    slicer = sys.modules.get("slicer")
    if slicer is not None and hasattr(slicer, "app"):
        slicer.util.exit(code)
    else:
        sys.exit(code)


def run() -> int:
    """The exit code of the command line that follows the script's name; also a broken installation gives one."""
    if str(LIBRARY_ROOT) not in sys.path:
        sys.path.insert(0, str(LIBRARY_ROOT))
    try:
        from Dose3DLib.cli.main import main
    except ModuleNotFoundError as error:
        sys.stderr.write(
            f"error: Python package {error.name}: is not installed; install it: pip install {error.name}\n"
        )
        return 2
    try:
        return main(sys.argv[1:])
    except BaseException:  # whatever happens, Slicer must not stay open
        sys.stderr.write(traceback.format_exc())
        return 1


if __name__ == "__main__":
    leave(run())
