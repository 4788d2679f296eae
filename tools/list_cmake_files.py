"""Write the lists of files in the CMakeLists.txt from the tree: Slicer installs, and tests, only what is listed.

python tools/list_cmake_files.py            rewrite the lists
python tools/list_cmake_files.py --check    exit code 1 when a list and the tree differ
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODULES = ("Dose3D", "Dose3DSegment", "Dose3DPhaseSpace")
BEGIN, END = "# begin of the list made by tools/list_cmake_files.py", "# end of the list"

TEMPLATE = """\
set(MODULE_NAME {name})

{begin}
set(MODULE_PYTHON_SCRIPTS
  {scripts}
  )

set(MODULE_PYTHON_RESOURCES
  {resources}
  )
{end}

# All modules land in one folder; each file keeps its path below this one. (WITH_SUBDIR would move the module file into
# a folder where Slicer does not look.)
slicerMacroBuildScriptedModule(
  NAME ${{MODULE_NAME}}
  SCRIPTS ${{MODULE_PYTHON_SCRIPTS}}
  RESOURCES ${{MODULE_PYTHON_RESOURCES}}
  WITH_GENERIC_TESTS
  )

if(BUILD_TESTING)
  slicer_add_python_unittest(SCRIPT ${{MODULE_NAME}}.py)
endif()
"""

TESTS = """\
# The GUI tests that run in Slicer; tools/slicer_tests.py runs the same without a build tree.
{begin}
foreach(script
  {scripts}
  )
  slicer_add_python_unittest(SCRIPT ${{script}})
endforeach()
{end}
"""


def files_of(module: str) -> list[str]:
    """The module's files that git knows or would add, relative to its folder, without CMakeLists.txt."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", "."]
    done = subprocess.run(command, cwd=ROOT / module, capture_output=True, check=True)
    names = {name for name in done.stdout.decode().split("\0") if name and (ROOT / module / name).is_file()}
    return sorted(names - {"CMakeLists.txt"})


def make_list(module: str) -> str:
    """The text of the module's CMakeLists.txt."""
    names = files_of(module)
    scripts = [n for n in names if n.endswith(".py")]
    resources = [n for n in names if not n.endswith(".py")]
    scripts.sort(key=lambda name: (name != f"{module}.py", name))
    return TEMPLATE.format(
        name=module, begin=BEGIN, end=END, scripts="\n  ".join(scripts), resources="\n  ".join(resources)
    )


def slicer_tests() -> list[str]:
    """Files of Testing/gui with a class on GuiCase or a case made of it; others concern what stands in for Slicer."""
    files = (ROOT / "Testing" / "gui").glob("test_*.py")
    on_case = re.compile(r"^class \w+\(\w+Case\):", re.MULTILINE)
    return sorted(path.name for path in files if on_case.search(path.read_text(encoding="utf-8")))


def make_test_list() -> str:
    """The text of Testing/gui/CMakeLists.txt."""
    return TESTS.format(begin=BEGIN, end=END, scripts="\n  ".join(slicer_tests()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing")
    check = parser.parse_args().check
    stale = 0
    texts = {ROOT / module / "CMakeLists.txt": make_list(module) for module in MODULES}
    texts[ROOT / "Testing" / "gui" / "CMakeLists.txt"] = make_test_list()
    for path, text in texts.items():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        print(f"{path.relative_to(ROOT)}: {'differs from the tree' if check else 'written'}")
        if not check:
            path.write_text(text, encoding="utf-8", newline="\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
