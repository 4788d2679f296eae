"""The stand-in's `qt` answers as the real one: every expression that was run there with Qt alone is run here."""

from __future__ import annotations

import pytest

pytest.importorskip("PySide6.QtWidgets", reason="needs PySide6 with Qt's system libraries")
pytest.importorskip("slicer", reason="needs slicer-core")

import standin_probes  # noqa: E402

TOPICS = {"attribute", "exception", "property", "threads", "timer"}
"""Of these also what was run beside MRML's classes."""

ANSWERED = 599
"""So many of the probes get the real answer; raise it when more do, never lower it."""

QT6_LACKS = "Qt 6 dropped it, code for Qt 5 and 6 must not use it: StandInGap"
NOT_BUILT = "not among the stand-in's CTK classes, as nothing here uses it"
GAPS = {
    # connect
    "P1-136": QT6_LACKS,  # QSpinBox.valueChanged(QString)
    "P1-140": QT6_LACKS,  # QComboBox.currentIndexChanged(QString)
    "P3-010": QT6_LACKS,  # QButtonGroup.buttonClicked(int)
    "P4-081": QT6_LACKS,  # QComboBox.currentIndexChanged(QString)
    # layout
    "P4-047": QT6_LACKS,  # QLayout.margin
    "P4-050": "PySide6 refuses a layout's addWidget(None)",
    # ctk
    "P3-087": NOT_BUILT,
    "P3-088": NOT_BUILT,
    "P3-090": NOT_BUILT,
    "P3-093": NOT_BUILT,
    "P3-094": NOT_BUILT,
    "P3-095": NOT_BUILT,
}
"""Probes that must raise here, with the reason."""

ANOTHER_QT = "Qt 6 itself answers otherwise"
ANOTHER_MACHINE = "depends on the machine: folders, fonts, frames of windows, what other probes left open"
OTHERWISE = {
    "P1-000": ANOTHER_QT,  # the version
    "P1-001": ANOTHER_QT,
    "P1-002": ANOTHER_MACHINE,  # the version of Python
    "P1-003": "parts of PythonQt that hold nothing in use (CTK, Debug, Config) are left out",
    "P1-004": "qt has Qt 6's classes, ctk only what is built",
    "P1-030": ANOTHER_MACHINE,
    "P1-086": ANOTHER_MACHINE,
    "P1-091": "366 names in place of 365: test_standin_qt_names compares them one by one",
    "P1-188": ANOTHER_QT,  # QFont.Bold is 700 in place of 75
    "P2-064": ANOTHER_MACHINE,
    "P2-078": "a list of one text is written in another way (it comes back as the same list, P2-080)",
    "P2-086": ANOTHER_QT,  # the words of an error
    "P3-089": "ctk holds only what is built",
    "P3-104": ANOTHER_MACHINE,
    "P3-122": ANOTHER_MACHINE,
    "P3-124": ANOTHER_MACHINE,
    "P3-144": "that bed had no designer plug-ins; Slicer has them",
    "P3-145": "that bed had no designer plug-ins; Slicer has them",
    "P7-030": "help() is an ordinary slot here, which raises StandInGap",
}
"""Probes that are answered otherwise, with the reason."""

ENDED = "PROCESS crashed"
"""What the real one recorded where a probe ended the process: these are not run."""


@pytest.fixture(scope="module")
def probes() -> dict[str, dict]:
    found = [probe for probe in standin_probes.load() if probe["bed"] == "qt" or probe["topic"] in TOPICS]
    if not found:
        pytest.skip("needs the facts of the real desktop, which do not come with the repository")
    return {probe["id"]: probe for probe in found if ENDED not in probe.get("raised", "")}


@pytest.fixture(scope="module")
def answers(probes) -> dict[str, str]:
    return standin_probes.answers(list(probes.values()))


def _agreeing(probes: dict, answers: dict) -> set[str]:
    return {
        name for name, probe in probes.items() if standin_probes.agrees(answers[name], standin_probes.expected(probe))
    }


def test_every_probe_is_answered_as_in_the_real_one_or_raises(probes, answers):
    same = _agreeing(probes, answers)
    left = set(probes) - same
    wrong = {name: answers[name] for name in left - set(GAPS) - set(OTHERWISE)}
    assert not wrong
    print(f"{len(same)} of {len(probes)} answered as in the real one, {len(left & set(GAPS))} gaps")
    assert len(same) >= ANSWERED


@pytest.mark.parametrize("name", sorted(GAPS))
def test_what_the_stand_in_does_not_know_raises(name, answers):
    assert answers[name].startswith(("StandInGap", "AttributeError: module 'ctk' has no attribute"))


def test_the_reasons_are_not_stale(probes, answers):
    """A probe that is answered as in the real one belongs into no table."""
    assert not _agreeing(probes, answers) & {*GAPS, *OTHERWISE}
    assert {*GAPS, *OTHERWISE} <= set(probes)
