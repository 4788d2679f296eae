"""The list of tasks: light, so that help and menus need no science package.

To add a task write one module with `Settings` and `run(settings, progress=None) -> Result`, and one line here.
"""

from __future__ import annotations

from .base import Task

__all__ = ["GROUPS", "TASKS"]

GROUPS: dict[str, str] = {
    "detector": "Detectors of small cells: which to build, what they measure, files for simulations.",
    "dose": "Dose distributions: pictures, comparison, DVHs, from cells to the patient.",
    "phsp": "Phase spaces of linear accelerators.",
    "segment": "Structures from a CT by a trained network.",
    "structures": "Structure sets: file formats and reviews.",
}
"""First words of commands that hold several, with the line that help shows."""

TASKS: tuple[Task, ...] = (
    Task(("demo",), "Dose3DLib.tasks.demo", "Run the main job on the phantom patient that comes with Dose3D."),
    Task(("detector", "calibrate"), "Dose3DLib.tasks.detector_calibrate", "Turn raw readings into doses of cells."),
    Task(
        ("detector", "choose"),
        "Dose3DLib.tasks.detector_choose",
        "Choose the cells that see most of targets and organs, when there are few.",
    ),
    Task(
        ("detector", "export"),
        "Dose3DLib.tasks.detector_export",
        "Write a detector for simulations, printers and planning systems.",
    ),
    Task(
        ("detector", "fidelity"),
        "Dose3DLib.tasks.detector_fidelity",
        "Say how faithfully the cells of a layout stand for structures.",
    ),
    Task(
        ("detector", "layout"),
        "Dose3DLib.tasks.detector_layout",
        "Say which cells a detector has and where they stand: published, regular, or filling structures.",
    ),
    Task(("detector", "measure"), "Dose3DLib.tasks.detector_measure", "Say what the cells of a layout see of a dose."),
    Task(
        ("detector", "plan-shifts"),
        "Dose3DLib.tasks.detector_plan_shifts",
        "Say where to move a detector between acquisitions so that together they see most.",
    ),
    Task(
        ("dose", "compare"),
        "Dose3DLib.tasks.dose_compare",
        "Compare two doses by gamma, difference and profiles, in the patient and in a detector.",
    ),
    Task(("dose", "dvh"), "Dose3DLib.tasks.dose_dvh", "Dose-volume histograms of structures, and clinical goals."),
    Task(
        ("dose", "scale"),
        "Dose3DLib.tasks.dose_scale",
        "Find the dose in the patient from the means over a detector's cells.",
    ),
    Task(("dose", "show"), "Dose3DLib.tasks.dose_show", "Show a dose with isodoses, alone or minus another one."),
    Task(("phsp", "compare"), "Dose3DLib.tasks.phsp_compare", "Hold generated photons against real ones, with floors."),
    Task(
        ("phsp", "convert"),
        "Dose3DLib.tasks.phsp_convert",
        "Convert a phase space to another format; cut, filter, move or turn it on the way.",
    ),
    Task(("phsp", "generate"), "Dose3DLib.tasks.phsp_generate", "Write any number of photons of a trained model."),
    Task(("phsp", "info"), "Dose3DLib.tasks.phsp_info", "Say what a phase space holds, and draw a sample of it."),
    Task(("phsp", "train"), "Dose3DLib.tasks.phsp_train", "Train a model on phase spaces that makes such photons."),
    Task(("segment", "run"), "Dose3DLib.tasks.segment_run", "Find the organs on a CT and write structures and report."),
    Task(
        ("structures", "convert"),
        "Dose3DLib.tasks.structures_convert",
        "Convert structures between RTSTRUCT, DICOM SEG, .seg.nrrd, label maps and mask folders.",
    ),
    Task(
        ("structures", "review"),
        "Dose3DLib.tasks.structures_review",
        "Say what a human changed in structures, who reviewed them, and whether they are approved.",
    ),
)
