"""The three module files load and open as Slicer loads and opens them; nothing heavy comes along."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = ("Dose3D", "Dose3DSegment", "Dose3DPhaseSpace")
UI_FILES = sorted(path for module in MODULES for path in (ROOT / module / "Resources" / "UI").glob("*.ui"))

PROGRAM = """
import json, sys, time
from standin.desktop.application import MODULE_FILES, start
application = start(load_modules=False)
before = set(sys.modules)  # the stand-in's own needs
application.load_modules(MODULE_FILES)
import slicer
facts = {"seconds": {}}
for name in sys.argv[1:]:
    about = getattr(slicer.modules, name + "Instance").parent
    begin = time.perf_counter()
    slicer.util.selectModule(name)
    facts["seconds"][name] = time.perf_counter() - begin
    page = slicer.util.getModuleWidget(name)
    facts[name] = {key: getattr(about, key) for key in ("title", "helpText", "acknowledgementText")}
    facts[name] |= {key: list(getattr(about, key)) for key in ("categories", "contributors", "dependencies")}
    facts[name] |= {"logic": type(page.logic).__name__, "test": hasattr(sys.modules[name], name + "Test")}
    facts[name]["apply_enabled"] = page.ui.applyButton.enabled
facts["heavy"] = sorted({"torch", "monai", "scipy", "pydicom", "matplotlib", "SimpleITK"} & (set(sys.modules) - before))
for name in sys.argv[1:]:
    page = slicer.util.getModuleWidget(name)
    page.cleanup()
    facts[name]["observers_left"] = len(page.Observations)
print(json.dumps(facts))
"""


@pytest.fixture(scope="module")
def facts() -> dict:
    """What a desktop of its own saw of the modules."""
    environment_path = [str(Path(__file__).parent), str(ROOT / "Dose3D")]
    code = f"import sys; sys.path[:0] = {environment_path!r}\n{PROGRAM}"
    done = subprocess.run([sys.executable, "-c", code, *MODULES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def elements(path: Path) -> ElementTree.Element:
    return ElementTree.parse(path).getroot()


def ui_names(path: Path) -> dict[str, str]:
    """Name -> class of every widget in a .ui file."""
    return {w.get("name"): w.get("class") for w in elements(path).iter("widget")}


def test_opening_the_pages_needs_no_torch(facts):
    assert facts["heavy"] == []


@pytest.mark.parametrize("module", MODULES)
def test_opening_takes_under_a_second(facts, module):
    assert facts["seconds"][module] < 1.0


@pytest.mark.parametrize("module", MODULES)
def test_module_says_who_it_is(facts, module):
    about = facts[module]
    assert about["categories"] == ["Radiotherapy"]
    assert about["contributors"]
    assert "research use only" in about["helpText"]
    assert "POIR.04.04.00-00-15E5/18" in about["acknowledgementText"]
    assert about["dependencies"] == ([] if module == "Dose3D" else ["Dose3D"])


@pytest.mark.parametrize("module", MODULES)
def test_module_has_its_four_classes(facts, module):
    assert facts[module]["logic"] == f"{module}Logic"
    assert facts[module]["test"]


@pytest.mark.parametrize("module", MODULES)
def test_page_opens_and_leaves_no_observer(facts, module):
    assert facts[module]["observers_left"] == 0
    assert facts[module]["apply_enabled"] is False


@pytest.mark.parametrize("path", UI_FILES, ids=lambda path: path.name)
def test_ui_is_sound(path):
    root, names = elements(path), [w.get("name") for w in elements(path).iter("widget")]
    assert len(names) == len(set(names))
    kinds = {kind for kind in ui_names(path).values() if kind.startswith(("ctk", "qMRML"))}
    assert kinds == {c.text for c in root.iterfind("customwidgets/customwidget/class")}
    wired = {c.findtext("receiver") for c in root.iterfind("connections/connection")}
    assert wired >= {name for name, kind in ui_names(path).items() if kind == "qMRMLNodeComboBox"}


@pytest.mark.parametrize("module", MODULES)
def test_names_are_unique_in_a_page(module):
    """All sections of a page share one namespace of widgets."""
    files = [path for path in UI_FILES if path.parents[2].name == module and path.stem.startswith(module)]
    files = [path for path in files if path.stem not in ("Dose3DPage", "Dose3DJobPanel")]
    names = [name for path in files for name in ui_names(path)]
    assert len(names) == len(set(names)), sorted({name for name in names if names.count(name) > 1})


@pytest.mark.parametrize("path", UI_FILES, ids=lambda path: path.name)
def test_parameters_in_the_ui_are_members_of_a_parameter_node(path):
    """A misnamed SlicerParameterName is ignored by Slicer without a word."""
    bound = {p.findtext("string") for p in elements(path).iter("property") if p.get("name") == "SlicerParameterName"}
    sources = (ROOT / "Dose3D" / "Dose3DGui").glob("*.py")
    blocks = [
        re.findall(r"@parameterNodeWrapper\nclass \w+:\n(.*?)\n\n\n", p.read_text("utf-8"), re.S) for p in sources
    ]
    members = {name for found in blocks for block in found for name in re.findall(r"^    (\w+): ", block, re.M)}
    assert bound <= members, bound - members
