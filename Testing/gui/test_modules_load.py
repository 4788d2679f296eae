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


@pytest.fixture(scope="module")
def facts() -> dict:
    """What the stand-in desktop saw of the modules (see module_stubs)."""
    command = [sys.executable, str(Path(__file__).with_name("module_stubs.py")), *(str(ROOT / m) for m in MODULES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ui_names(module: str) -> dict[str, str]:
    """Name -> class of every widget in the module's .ui file."""
    root = ElementTree.parse(ROOT / module / "Resources" / "UI" / f"{module}.ui").getroot()
    return {w.get("name"): w.get("class") for w in root.iter("widget")}


def test_opening_the_pages_needs_no_torch(facts):
    assert facts["heavy"] == []


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
    assert facts[module]["apply_enabled"] in (False, None)


@pytest.mark.parametrize("module", MODULES)
def test_children_used_in_code_are_in_the_ui(module):
    code = (ROOT / module / f"{module}.py").read_text(encoding="utf-8")
    used = set(re.findall(r"self\.ui\.(\w+)", code))
    assert used <= set(ui_names(module)), used - set(ui_names(module))


@pytest.mark.parametrize("module", MODULES)
def test_ui_is_sound(module):
    root = ElementTree.parse(ROOT / module / "Resources" / "UI" / f"{module}.ui").getroot()
    names = [w.get("name") for w in root.iter("widget")]
    assert len(names) == len(set(names))
    assert root.find("widget").get("class") == "qMRMLWidget"
    kinds = {kind for kind in ui_names(module).values() if kind.startswith(("ctk", "qMRML"))}
    assert kinds == {c.text for c in root.iterfind("customwidgets/customwidget/class")}
    wired = {c.findtext("receiver") for c in root.iterfind("connections/connection")}
    assert wired == {name for name, kind in ui_names(module).items() if kind == "qMRMLNodeComboBox"}


@pytest.mark.parametrize("module", ["Dose3DSegment"])
def test_parameters_in_the_ui_are_members_of_the_parameter_node(module):
    """A misnamed SlicerParameterName is ignored by Slicer without a word."""
    code = (ROOT / module / f"{module}.py").read_text(encoding="utf-8")
    block = code.split("class Dose3DSegmentParameterNode")[1].split("\nclass ")[0]
    members = set(re.findall(r"^    (\w+): ", block.split('"""')[2], re.M))
    root = ElementTree.parse(ROOT / module / "Resources" / "UI" / f"{module}.ui").getroot()
    bound = {p.findtext("string") for p in root.iter("property") if p.get("name") == "SlicerParameterName"}
    assert bound == members


def test_segment_module_brings_masks_into_the_real_scene():
    """Volume node -> file -> masks -> segmentation node, every voxel where it was, on slicer-core's MRML classes."""
    pytest.importorskip("slicer", reason="slicer-core has no wheel for this platform")
    program = Path(__file__).with_name("segment_logic_program.py")
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout.splitlines()[-1])
    assert facts["same_values"]
    assert facts["names"] == ["Brainstem", "Parotid_L"]
    assert facts["wrong_voxels"] == 0
    assert not facts["temporary_files_left"]
    assert facts["same_node_reused"]
    assert (facts["segmentations"], facts["segments_after"]) == (1, 2)
    assert "removed from the scene" in facts["volume_gone"]
