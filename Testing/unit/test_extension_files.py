"""The extension as Slicer installs it: every file listed, every name where Slicer and the library look for it.

All modules of an extension land in one folder (lib/Slicer-X.Y/qt-scripted-modules), where each listed file keeps its
path below the module's folder (read in ctkMacroCompilePythonScript).
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = ("Dose3D", "Dose3DSegment", "Dose3DPhaseSpace")


def listed(module: str) -> list[str]:
    """Scripts and resources in the module's CMakeLists.txt."""
    text = (ROOT / module / "CMakeLists.txt").read_text(encoding="utf-8")
    blocks = [re.search(rf"set\(MODULE_PYTHON_{kind}\n(.*?)\)", text, re.S) for kind in ("SCRIPTS", "RESOURCES")]
    return [word for block in blocks for word in block.group(1).split()]


def in_tree(module: str) -> set[str]:
    folder = ROOT / module
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    return {n for n in names if "__pycache__" not in n and not n.endswith(".pyc")} - {"CMakeLists.txt"}


@pytest.mark.parametrize("module", MODULES)
def test_every_file_is_listed(module):
    names = listed(module)
    assert len(names) == len(set(names))
    missing, gone = in_tree(module) - set(names), set(names) - in_tree(module)
    assert (missing, gone) == (set(), set()), "run tools/list_cmake_files.py"


@pytest.mark.parametrize("module", MODULES)
def test_module_installs_where_slicer_looks(module):
    text = (ROOT / module / "CMakeLists.txt").read_text(encoding="utf-8")
    assert f"set(MODULE_NAME {module})" in text
    assert "WITH_SUBDIR" not in text.split("slicerMacroBuildScriptedModule")[1]
    assert "WITH_GENERIC_TESTS" in text


@pytest.mark.parametrize("module", MODULES)
def test_resources_bear_the_name_of_their_module(module):
    names = [n for n in in_tree(module) if n.startswith("Resources/")]
    assert names
    stray = [n for n in names if Path(n).stem.split("-")[0] != module]
    assert stray == []


@pytest.mark.parametrize("module", MODULES)
def test_no_stray_script_beside_a_module_file(module):
    assert [p.name for p in (ROOT / module).glob("*.py")] == [f"{module}.py"]


def test_no_two_modules_install_the_same_file():
    names = [name.lower() for module in MODULES for name in listed(module)]
    assert len(names) == len(set(names))


def test_every_module_is_added():
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert re.findall(r"^add_subdirectory\((\w+)\)", text, re.M) == list(MODULES)


def test_metadata_is_what_the_catalogue_wants():
    """Slicer's extension index: names, category, addresses, licence file in the root."""
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    values = dict(re.findall(r'set\((EXTENSION_\w+) "([^"]*)"\)', text))
    name = re.search(r"project\((\w+)\)", text).group(1)
    assert not name.startswith("Slicer")
    assert values["EXTENSION_HOMEPAGE"].rsplit("/", 1)[1] == f"Slicer{name}"
    assert values["EXTENSION_CATEGORY"] == "Radiotherapy"
    assert values["EXTENSION_DESCRIPTION"].count(".") <= 3
    for key in ("EXTENSION_ICONURL", "EXTENSION_SCREENSHOTURLS"):
        for address in values[key].split():
            path = address.split("/main/", 1)[1]
            assert (ROOT / path).is_file(), f"{key} names {path}"
    assert "Apache License" in (ROOT / "LICENSE.txt").read_text(encoding="utf-8")


def test_icon_is_128_pixels():
    header = (ROOT / "Dose3D.png").read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(header[16:20], "big"), int.from_bytes(header[20:24], "big")) == (128, 128)


@pytest.mark.parametrize("module", MODULES)
def test_vector_icon_is_svg(module):
    root = ElementTree.parse(ROOT / module / "Resources" / "Icons" / f"{module}.svg").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("viewBox")


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """What Slicer's macro makes of the lists: one folder for all modules."""
    folder = tmp_path_factory.mktemp("qt-scripted-modules")
    for module in MODULES:
        for name in listed(module):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / module / name, target)
    return folder


def relative_imports(path: Path) -> list[Path]:
    """The places without ending that the file's relative imports of modules name."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = path.parents[node.level - 1]
            found.append(base.joinpath(*(node.module or "").split(".")) if node.module else base)
    return found


def test_relative_imports_hold_where_slicer_installs(installed):
    broken = []
    for path in installed.rglob("*.py"):
        for place in relative_imports(path):
            if not place.with_suffix(".py").is_file() and not (place / "__init__.py").is_file():
                broken.append(f"{path.relative_to(installed)} -> {place.name}")
    assert not broken


def test_every_folder_of_the_library_is_a_package(installed):
    folders = {p.parent for p in (installed / "Dose3DLib").rglob("*.py")}
    assert [str(f.relative_to(installed)) for f in folders if not (f / "__init__.py").is_file()] == []


def test_installed_library_answers(installed):
    done = subprocess.run(
        [sys.executable, "-m", "Dose3DLib.cli", "--help"], cwd=installed, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "segment" in done.stdout
