"""The extension as Slicer installs it: every file listed, every name where Slicer and the library look for it.

All modules of an extension land in one folder (lib/Slicer-X.Y/qt-scripted-modules), where each listed file keeps its
path below the module's folder (read in ctkMacroCompilePythonScript).
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import jsonschema
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
    stray = [n for n in names if not Path(n).name.startswith(module)]
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
    assert "add_subdirectory(Testing/gui)" in text


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


CATALOG_SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema",
    "type": "object",
    "required": ["$schema", "category", "scm_url"],
    "additionalProperties": False,
    "properties": {
        **dict.fromkeys(("$schema", "category", "scm_url", "scm_revision"), {"type": "string"}),
        **dict.fromkeys(("dicom_support_rule", "build_subdirectory"), {"type": "string"}),
        "scm_type": {"enum": ["git", "local"]},
        "build_dependencies": {"type": "array", "items": {"type": "string"}},
        "enabled": {"type": "boolean"},
        "tier": {"type": "integer", "minimum": 1, "maximum": 5},
    },
}
"""The facts of version 1.0.2 of Slicer's schema for catalogue entries, in our words."""


def test_catalogue_entry_is_valid_and_agrees_with_cmake():
    """The file that goes into Slicer's ExtensionsIndex, by the checks that the index makes."""
    path = ROOT / "docs" / "extension-index" / "Dose3D.json"
    assert b"\r" not in path.read_bytes()
    entry = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.validate(entry, CATALOG_SCHEMA)
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    values = dict(re.findall(r'set\((EXTENSION_\w+) "([^"]*)"\)', text))
    assert path.stem == re.search(r"project\((\w+)\)", text).group(1)
    assert entry["$schema"].endswith("slicer-extension-catalog-entry-schema-v1.0.2.json#")
    assert (entry["category"], entry["build_dependencies"]) == (
        values["EXTENSION_CATEGORY"],
        values["EXTENSION_DEPENDS"].split(),
    )
    assert entry["scm_url"] == values["EXTENSION_HOMEPAGE"] + ".git"


@pytest.mark.parametrize("wrong", [{"scmurl": "x"}, {"tier": 6}, {"build_dependencies": "PyTorch"}, {"category": None}])
def test_schema_finds_a_wrong_entry(wrong):
    entry = json.loads((ROOT / "docs" / "extension-index" / "Dose3D.json").read_text(encoding="utf-8"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**entry, **wrong}, CATALOG_SCHEMA)


def test_every_test_for_slicer_is_in_cmake():
    text = (ROOT / "Testing" / "gui" / "CMakeLists.txt").read_text(encoding="utf-8")
    listed = set(re.findall(r"test_\w+\.py", text))
    files = {path.name for path in (ROOT / "Testing" / "gui").glob("test_*.py")}
    elsewhere = {name for name in files if name.startswith(("test_standin_", "test_view", "test_modules_load"))}
    assert listed == files - elsewhere, "run tools/list_cmake_files.py"


@pytest.fixture
def slicer_like(tmp_path) -> Path:
    """A program that notes how it was called and fails for one test."""
    program = tmp_path / "Slicer"
    program.write_text(
        f"#!{sys.executable}\nimport json, sys\n"
        f"open({str(tmp_path / 'calls')!r}, 'a').write(json.dumps(sys.argv[1:]) + '\\n')\n"
        "sys.exit('Dose3DPhaseSpaceTest' in sys.argv[-1])\n",
        encoding="utf-8",
    )
    program.chmod(0o755)
    return program


@pytest.mark.skipif(sys.platform == "win32", reason="the imitation is a script with a #! line")
def test_slicer_is_started_as_it_wants(slicer_like):
    tool = [sys.executable, str(ROOT / "tools" / "slicer_tests.py"), "--slicer", str(slicer_like)]
    assert subprocess.run([*tool, "Dose3D"], capture_output=True, check=False).returncode == 0
    failed = subprocess.run([*tool, "Dose3DPhaseSpace"], capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "FAILED (exit code 1)  Dose3DPhaseSpace" in failed.stdout
    first = json.loads((slicer_like.parent / "calls").read_text(encoding="utf-8").splitlines()[0])
    assert first[:4] == ["--testing", "--no-splash", "--no-main-window", "--additional-module-paths"]
    assert first[4:8] == [*(str(ROOT / module) for module in MODULES), "--python-code"]
    assert "Dose3DTest().runTest()" in first[8]
    unknown = subprocess.run([*tool, "test_typo"], capture_output=True, text=True, check=False)
    assert unknown.returncode == 2
    assert "no such test" in unknown.stderr
