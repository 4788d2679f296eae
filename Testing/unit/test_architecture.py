"""The rules of the house that a machine can check: who imports whom, what loads when, how long things are.

CONTRIBUTING.md explains them. The tables here are the rules themselves.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "Dose3D" / "Dose3DLib"

BASE = {"core"}
FOUNDATION = BASE | {"geometry"}
NOUNS = {"segmentation", "detector", "dose", "phasespace"}
PRESENTATION = {"scene", "report"}
MAY_IMPORT = {
    "core": set(),
    "geometry": BASE,
    "bundles": BASE,
    "training": BASE,
    "segmentation": FOUNDATION | {"bundles", "training"},
    "dicom": FOUNDATION,
    "detector": FOUNDATION,
    "dose": FOUNDATION | {"bundles", "training"},
    "phasespace": FOUNDATION | {"bundles", "training"},
    "scene": FOUNDATION,
    "report": FOUNDATION,
    "tasks": FOUNDATION | NOUNS | PRESENTATION | {"dicom", "bundles", "training"},
    "worker": BASE | {"tasks"},
    "view": BASE | {"tasks"},
    "cli": BASE | {"tasks", "worker", "view"},
}
"""Folder of Dose3DLib -> folders that its files may import, besides itself. A new folder needs a line here."""

MODULE_LEVEL = {
    "core": set(),
    "worker": set(),
    "cli": {"cyclopts", "rich"},
    "dicom": {"numpy", "pydicom"},
}
"""Packages from outside the standard library that may load at the top of a file; numpy elsewhere."""

NETWORKS = {"phasespace/models"}
"""Folders of networks: torch loads at their top, therefore only functions import their files."""

COMPILED = {"geometry/gamma_kernels.py": {"numpy", "warp"}}
"""Files of compiled kernels: Warp loads at their top, therefore only functions import them."""

SLICER_FOLDERS = {"scene", "view"}
LONGEST_FILE, LONGEST_FUNCTION = 500, 60
LONGEST_TABLE_OF_A_TEST = 80


def library_files() -> list[Path]:
    return sorted(p for p in LIBRARY.rglob("*.py") if "__pycache__" not in p.parts)


def own_python_files() -> list[Path]:
    folders = ("Dose3D", "Dose3DSegment", "Dose3DPhaseSpace", "Testing", "tools")
    found = [p for folder in folders for p in (ROOT / folder).rglob("*.py") if "__pycache__" not in p.parts]
    return sorted([ROOT / "run.py", *found])


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def folder_of(path: Path) -> str:
    parts = path.relative_to(LIBRARY).parts
    return parts[0] if len(parts) > 1 else ""


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def is_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def is_main_block(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)


def statements(node: ast.AST, into_functions: bool) -> Iterator[ast.AST]:
    """All nodes below, without what only type checkers read; without function bodies if asked."""
    for child in ast.iter_child_nodes(node):
        if is_for_type_checkers(child) or (is_main_block(child) and not into_functions):
            continue
        if not into_functions and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        yield child
        yield from statements(child, into_functions)


def imported(path: Path, into_functions: bool = True) -> set[str]:
    """Dotted names that the file imports; relative ones resolved to `Dose3DLib...`."""
    package = ("Dose3DLib", *path.relative_to(LIBRARY).parts[:-1])
    names: set[str] = set()
    for node in statements(parse(path), into_functions):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            base = ".".join(filter(None, [start, node.module]))
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return names


def own_folders(names: set[str]) -> set[str]:
    """The folders of Dose3DLib among imported names."""
    parts = [name.split(".") for name in names if name.startswith("Dose3DLib.")]
    return {p[1] for p in parts if (LIBRARY / p[1]).is_dir()}


def holds_networks(path: Path) -> bool:
    return path.relative_to(LIBRARY).parent.as_posix() in NETWORKS and path.stem not in {"registry", "__init__"}


def outside(names: set[str]) -> set[str]:
    roots = {name.split(".")[0] for name in names}
    return roots - set(sys.stdlib_module_names) - {"Dose3DLib", "__future__"}


def test_each_folder_has_a_rule():
    folders = {p.name for p in LIBRARY.iterdir() if p.is_dir() and any(p.glob("*.py"))}
    assert folders - set(MAY_IMPORT) == set()


@pytest.mark.parametrize("path", library_files(), ids=named)
def test_imports_point_down(path):
    folder = folder_of(path)
    wrong = own_folders(imported(path)) - {folder} - MAY_IMPORT.get(folder, set())
    assert not wrong, f"{named(path)} imports {', '.join(sorted(wrong))}"


@pytest.mark.parametrize("path", library_files(), ids=named)
def test_heavy_packages_load_where_they_compute(path):
    allowed = {"numpy", "torch"} if holds_networks(path) else MODULE_LEVEL.get(folder_of(path), {"numpy"})
    allowed = COMPILED.get(path.relative_to(LIBRARY).as_posix(), allowed)
    wrong = outside(imported(path, into_functions=False)) - allowed
    assert not wrong, f"{named(path)} loads {', '.join(sorted(wrong))} at its top"


@pytest.mark.parametrize("path", library_files(), ids=named)
def test_networks_load_where_they_compute(path):
    if holds_networks(path):
        return
    modules = tuple(f"Dose3DLib.{folder.replace('/', '.').removesuffix('.py')}." for folder in (*NETWORKS, *COMPILED))
    wrong = {name for name in imported(path, into_functions=False) if name.startswith(modules)}
    wrong = {name for name in wrong if name.split(".registry")[0] + "." not in modules}
    assert not wrong, f"{named(path)} loads {wrong} at its top"


@pytest.mark.parametrize("path", library_files(), ids=named)
def test_no_window_in_the_library(path):
    names = outside(imported(path))
    assert not names & {"qt", "ctk", "PySide6", "PythonQt"}, named(path)
    if folder_of(path) not in SLICER_FOLDERS:
        assert not names & {"slicer", "vtk", "vtkmodules"}, named(path)


@pytest.mark.parametrize("path", library_files(), ids=named)
def test_tags_stay_in_dicom(path):
    if folder_of(path) != "dicom":
        assert not outside(imported(path)) & {"pydicom", "highdicom"}, named(path)


@pytest.mark.parametrize("path", library_files(), ids=named)
def test_library_neither_prints_nor_exits(path):
    program_part = {id(n) for block in parse(path).body if is_main_block(block) for n in ast.walk(block)}
    for node in ast.walk(parse(path)):
        if not isinstance(node, ast.Call) or id(node) in program_part:
            continue
        called = ast.unparse(node.func)
        assert called not in {"print", "exit", "quit"}, f"{named(path)}:{node.lineno} {called}()"
        if folder_of(path) not in {"cli", "worker"}:
            assert called not in {"sys.exit", "os._exit"}, f"{named(path)}:{node.lineno} {called}()"


@pytest.mark.parametrize("path", own_python_files(), ids=named)
def test_no_bare_except(path):
    bare = [n.lineno for n in ast.walk(parse(path)) if isinstance(n, ast.ExceptHandler) and n.type is None]
    assert not bare, f"{named(path)}: lines {bare}"


@pytest.mark.parametrize("path", own_python_files(), ids=named)
def test_files_and_functions_are_short(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_FILE, named(path)
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    long = {n.name: n.end_lineno - n.lineno + 1 for n in ast.walk(ast.parse(text)) if isinstance(n, kinds)}
    limit = LONGEST_TABLE_OF_A_TEST if "Testing" in path.parts else LONGEST_FUNCTION
    long = {name: lines for name, lines in long.items() if lines > limit}
    assert not long, f"{named(path)}: {long}"


def text_files() -> list[Path]:
    """Text files that git knows; all of the tree where this is no git checkout."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    names = [n for n in done.stdout.decode().split("\0") if n] if done.returncode == 0 else []
    paths = [ROOT / n for n in names] or own_python_files()
    endings = {".py", ".md", ".toml", ".txt", ".json", ".yml", ".yaml", ".ui", ".html", ".csv", ".cff", ".css", ""}
    return [p for p in paths if p.is_file() and p.suffix in endings]


def test_no_paths_of_one_machine():
    here = re.escape(f"{ROOT}/")
    pattern = re.compile(rf"(?<![\w.])({here}|/home/[a-z]\w*/|/Users/[A-Za-z]|/root/|[A-Z]:\\Users\\)")
    found = []
    for path in text_files():
        if path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{named(path)}:{number}")
    assert not found, found


def test_names_differ_by_more_than_case():
    files = {named(path) for path in text_files()}
    names = files | {parent.as_posix() for name in files for parent in Path(name).parents}
    assert len({name.lower() for name in names}) == len(names)


def test_help_needs_no_science_package():
    """`dose3d --help` must answer at once, and opening a module in Slicer must not load torch."""
    code = (
        "import sys\n"
        "from Dose3DLib.cli.main import main\n"
        "code = main(['--help'])\n"
        "heavy = {'torch', 'monai', 'numpy', 'scipy', 'pydicom', 'vtk', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "Dose3D", capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
