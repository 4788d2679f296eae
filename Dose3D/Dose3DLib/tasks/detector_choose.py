"""`dose3d detector choose`: which few cells to build, or how to arrange them, to see most of targets and organs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..core.errors import InputError
from ..core.json_file import write_json
from ..core.output import atomic_output
from ..core.progress import Progress
from ..core.provenance import file_sha256, make_provenance
from .base import Result, TaskSettings, option
from .cells_file import write_cells_file
from .placement_files import (
    fidelity_rows,
    left_rows,
    measure_layouts,
    patient_facts,
    pictured,
    shown_structures,
    summary_of,
    with_patient_facts,
    write_layouts,
)
from .placement_source import Patient, center_of, prior_of, read_patient, regions_of

if TYPE_CHECKING:
    from ..detector.layout import Layout
    from ..detector.placement import Placement
    from ..detector.posterior import DosePrior
    from ..detector.regions import Region

__all__ = ["Settings", "run"]

_CELLS = 64
_SHARE = 0.5
_JUDGED = 1
"""Seed of the places at which a choice is judged; it was made at those of seed 0."""


@dataclass(frozen=True)
class Settings(TaskSettings):
    """Where the dose is wanted, and what there is to build from."""

    structures: Path = option(
        help="RTSTRUCT or SEG (.dcm), .seg.nrrd, label map, folder of masks, or closed surfaces (.stl, .vtp)"
    )
    ct: Path = option(help="CT of the structures: DICOM folder or image file")
    output: Path = option(help="LAYOUT.csv, or a folder for layouts and report (several set-ups need it)")
    targets: tuple[str, ...] = option((), help="names of the targets (default: all PTV, CTV, GTV and ITV)")
    organs: tuple[str, ...] = option((), help="names of organs in which the dose is wanted, too")
    organ_weight: float = option(0.5, help="weight of an organ, of a target's 1", minimum=0, maximum=100)
    objective: Literal["variance", "shape"] = option(
        "variance", help="leave least unknown of the dose, or follow the targets' shape by rows that slide freely"
    )
    cells: int | None = option(
        None, help="cells of a set-up (default: 64; with --objective shape as many as it takes)", minimum=1
    )
    setups: int = option(1, help="set-ups of so many cells, measured one after the other", minimum=1, maximum=16)
    minimum: int = option(3, help="cells that each target gets at least, in every set-up", minimum=0)
    candidates: Path | None = option(None, help="layout whose cells are to choose from, instead of a lattice")
    size: float = option(10.0, help="edge of a cell", unit="mm", minimum=1, maximum=100)
    wall: float = option(1.0, help="wall on each side of a cell", unit="mm", minimum=0, maximum=50)
    pitch: float | None = option(None, help="distance of cells' centres (default: size and two walls)", unit="mm")
    phases: int = option(3, help="positions of the lattice per axis that are tried", minimum=1, maximum=8)
    angles: tuple[float, ...] = option(
        (0.0,), help="angles of the lattice about the detector's y axis that are tried, degrees"
    )
    columns: Literal["x", "y", "z"] | None = option(
        None, help="axis of the detector along which cells must follow one another without a gap"
    )
    isocenter: tuple[float, ...] = option(
        (), help="x y z of the detector's origin (default: middle of the targets)", unit="mm"
    )
    dose_sd: float = option(70.0, help="standard deviation of the dose before measuring", unit="Gy", minimum=1e-3)
    length: float = option(12.0, help="length over which doses are alike", unit="mm", minimum=0.1, maximum=200)
    noise: float = option(0.7, help="standard deviation of a cell's reading", unit="Gy", minimum=1e-3)
    names: Path | None = option(None, help="table of a label map's names: CSV, JSON, dataset.json, .ctbl, ITK-SNAP")
    series: str | None = option(None, help="Series Instance UID, when the CT folder holds several CT series")
    surface_frame: Literal["LPS", "RAS"] | None = option(None, help="axes of surfaces whose files don't say them")
    lenient: bool = option(False, help="accept what is doubtful, such as another patient, and say so")
    resample_slices: bool = option(False, help="accept a CT with missing or uneven slices by interpolation")
    overwrite: bool = option(False, help="replace an existing output")


@dataclass(frozen=True, eq=False)
class _Found:
    """The set-ups by name, what each leaves at the regions' places, and sentences on how they were found."""

    patient: Patient
    regions: Sequence[Region]
    prior: DosePrior
    layouts: list[tuple[str, Layout]]
    values: list[float] = field(default_factory=list)
    columns: dict[str, tuple[np.ndarray, ...]] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)


def run(settings: Settings, progress: Progress | None = None) -> Result:
    """Read, choose and write; the output appears when it is complete.

    Raises
    ------
    InputError, OutputError, Cancelled
    """
    progress = progress or Progress()
    _check(settings)
    if settings.output.suffix.lower() == ".csv":
        return _run_to_file(settings, progress)
    with atomic_output(settings.output, settings.overwrite, settings.inputs()) as draft:
        found = _choose(settings, progress)
        draft.mkdir()
        files = write_layouts(found.layouts, draft)
        provenance = _provenance(settings, found, progress)
        with progress.stage("report", 1.0):
            files |= _write_report(settings, found, draft, provenance, progress)
        provenance["seconds"] = dict(progress.seconds)
        write_json(draft / "provenance.json", provenance)
    files |= {"provenance": "provenance.json"}
    return Result(settings.output, files, _figures(found), tuple(progress.warnings), dict(progress.seconds))


def _run_to_file(settings: Settings, progress: Progress) -> Result:
    from ..detector.layout_csv import layout_text

    found = _choose(settings, progress)
    text = layout_text(found.layouts[0][1], settings.output)
    files = write_cells_file(
        settings.output, text, lambda: _provenance(settings, found, progress), settings.overwrite, settings.inputs()
    )
    files = {"layout": files["cells"], "provenance": files["provenance"]}
    return Result(settings.output, files, _figures(found), tuple(progress.warnings), dict(progress.seconds))


def _check(settings: Settings) -> None:
    """Refuse settings that cannot be met or would have no effect."""
    if settings.setups > 1 and settings.output.suffix.lower() == ".csv":
        raise InputError(settings.output, "is one file, and --setups asks for several", "name a folder")
    if settings.isocenter and len(settings.isocenter) != 3:
        raise InputError("--isocenter", f"has {len(settings.isocenter)} numbers", "give x y z in mm (LPS)")
    pitch, room = _pitch(settings), settings.size + 2 * settings.wall
    if pitch < room - 1e-9:
        raise InputError(
            "--pitch", f"is {pitch:g} mm, and cells with walls take {room:g} mm", "give more, or less wall"
        )
    if not settings.angles:
        raise InputError("--angles", "is empty", "give at least one angle, such as 0")
    if settings.objective == "shape":
        wrong = {"--setups": settings.setups > 1, "--candidates": settings.candidates, "--columns": settings.columns,
                 "--organs": settings.organs, "--pitch": settings.pitch is not None}  # fmt: skip
        for flag in (flag for flag, given in wrong.items() if given):
            raise InputError(flag, "has no effect with --objective shape", "leave one of them out")
    if settings.candidates is not None and settings.isocenter:
        raise InputError("--isocenter", "places a lattice, and --candidates gives a layout", "leave one of them out")


def _pitch(settings: Settings) -> float:
    return settings.size + 2 * settings.wall if settings.pitch is None else settings.pitch


def _choose(settings: Settings, progress: Progress) -> _Found:
    patient = read_patient(settings, progress)
    with progress.stage("sample structures", 0.4):
        regions = regions_of(patient, settings.targets, settings.organs, settings.organ_weight, progress)
    _check_minimum(settings, regions)
    with progress.stage("choose", 0.9):
        if settings.objective == "shape":
            return _by_shape(settings, patient, regions, progress)
        return _by_variance(settings, patient, regions, progress)


def _check_minimum(settings: Settings, regions: Sequence[Region]) -> None:
    targets = sum(region.is_target for region in regions)
    stock = settings.cells or (_CELLS if settings.objective == "variance" else None)
    if stock is not None and targets * settings.minimum > stock:
        cause = f"{settings.minimum} cells for each of {targets} targets are more than the {stock} there are"
        raise InputError("--minimum", cause, "give less, or more --cells")


def _by_variance(settings: Settings, patient: Patient, regions: Sequence[Region], progress: Progress) -> _Found:
    from ..detector.setups import Stock, choose_setups

    axis = None if settings.columns is None else "xyz".index(settings.columns)
    stock, prior = Stock(settings.cells or _CELLS, settings.minimum, axis), prior_of(settings)
    layouts = _candidates(settings, regions, prior)
    most = max(map(len, layouts))
    if most < stock.cells:
        cause = f"{stock.cells} cells are more than the {most} candidates near the structures"
        raise InputError("--cells", cause, "give fewer, or smaller cells, or more structures")
    chosen = choose_setups(layouts, regions, stock, settings.setups, prior, lambda s: progress.report(s, "set-up"))
    single = settings.setups == 1
    named = [("layout" if single else f"set-up {n}", _with_name(setup.layout, n)) for n, setup in enumerate(chosen, 1)]
    for (name, _), setup in zip(named, chosen, strict=True):
        for note in setup.choice.notes:
            progress.warn(note if single else f"{name}: {note}")
    found = _Found(patient, regions, prior, with_patient_facts(named, patient, progress))
    _measure(found)
    shares = [setup.layout.name for setup in chosen]
    found.facts.update({"Lattice" if single else f"Lattice {n}": text for n, text in enumerate(shares, 1)})
    found.facts["Candidates"] = f"{chosen[0].candidates:,} cells, of the best of {len(layouts)} lattices"
    return found


def _with_name(layout: Layout, number: int) -> Layout:
    from dataclasses import replace

    return replace(layout, name=f"{len(layout)} cells, set-up {number}, {layout.name}")


def _candidates(settings: Settings, regions: Sequence[Region], prior: DosePrior) -> list[Layout]:
    from ..detector.lattice import Lattice
    from ..detector.setups import candidate_lattices

    if settings.candidates is not None:
        return [_given_candidates(settings, regions, prior)]
    lattice = Lattice((settings.size,) * 3, (_pitch(settings),) * 3)
    return candidate_lattices(regions, lattice, _placement(settings, regions), settings.phases, settings.angles)


def _given_candidates(settings: Settings, regions: Sequence[Region], prior: DosePrior) -> Layout:
    """Of the layout the cells that can tell something of the structures."""
    from ..detector.layout_csv import read_layout
    from ..detector.setups import taken
    from ..detector.shifts import near_cells

    layout = read_layout(settings.candidates, size_mm=settings.size)
    near = near_cells(layout.cells, regions, prior)
    if not near.any():
        cause = f"none of its {len(layout):,} cells is near the structures"
        raise InputError(settings.candidates, cause, "give a layout that stands in this patient")
    return taken(layout, near)


def _placement(settings: Settings, regions: Sequence[Region]) -> Placement:
    from ..detector.placement import Placement

    return Placement(np.array(settings.isocenter) if settings.isocenter else center_of(regions))


def _by_shape(settings: Settings, patient: Patient, regions: Sequence[Region], progress: Progress) -> _Found:
    from ..detector.lattice import turned
    from ..detector.shape import shape_layout

    place = _placement(settings, regions)
    places = [(angle, turned(place, angle)) for angle in settings.angles]
    shaped = shape_layout(
        regions, places, settings.size, settings.wall, settings.cells, settings.minimum,
        lambda share: progress.report(share, "angle"),
    )  # fmt: skip
    if shaped.added:
        progress.warn(f"{shaped.added} cells were added so that each target has {settings.minimum}.")
    layouts = with_patient_facts([("layout", shaped.layout)], patient, progress)
    found = _Found(patient, regions, prior_of(settings), layouts)
    _measure(found)
    found.facts.update({"Dice of boxes and targets": f"{shaped.dice:.3f}", "Angle": f"{shaped.angle_deg:g} degrees"})
    return found


def _measure(found: _Found) -> None:
    """What is left after each set-up, at other places of the regions than those that it was chosen by."""
    from ..detector.posterior import Posterior, posterior_variance
    from ..detector.regions import mean_variance, redrawn

    judged = [redrawn(region, _JUDGED) for region in found.regions]
    points = np.concatenate([region.points_mm for region in judged])
    edges = np.cumsum([len(region.points_mm) for region in judged])[:-1]
    state = Posterior(points, found.prior)
    for n, (name, layout) in enumerate(found.layouts):
        if len(found.layouts) == 1:
            variance = posterior_variance(points, layout.cells, found.prior)
        else:
            state.add(layout.cells)
            variance = state.variance
        found.columns[f"after {name}" if n or len(found.layouts) > 1 else "variance left"] = tuple(
            np.split(variance, edges)
        )
        found.values.append(mean_variance(judged, np.split(variance, edges)) / found.prior.variance_gy2)


def _figures(found: _Found) -> dict[str, Any]:
    """What is printed."""
    printed: dict[str, Any] = {}
    for (name, layout), value in zip(found.layouts, found.values, strict=True):
        printed[name] = f"{len(layout):,} cells, variance left {100 * value:.1f} %"
    last = list(found.columns.values())[-1]
    for region, variance in zip(found.regions, last, strict=True):
        printed[region.name] = f"variance left {100 * variance.mean() / found.prior.variance_gy2:.1f} %"
    return {**printed, **found.facts}


def _provenance(settings: Settings, found: _Found, progress: Progress) -> dict[str, Any]:
    inputs = list(found.patient.facts)
    if settings.candidates is not None:
        path = settings.candidates
        inputs.append({"path": str(path), "kind": "layout", "sha256": file_sha256(path)})
    return make_provenance("detector choose", settings.to_dict(), progress, inputs=inputs)


def _write_report(
    settings: Settings, found: _Found, folder: Path, provenance: dict[str, Any], progress: Progress
) -> dict[str, str]:
    from ..report.detector_fidelity import PlacementReport, write_placement_report

    patient, names = found.patient, [region.name for region in found.regions]
    named = [("" if len(found.layouts) == 1 else name, layout) for name, layout in found.layouts]
    figures = measure_layouts(named, patient, names, _SHARE, found.prior, progress)
    content = PlacementReport(
        "Cells under a stock" if settings.objective == "variance" else "Cells that follow a shape",
        f"{', '.join(names)}: {' + '.join(str(len(layout)) for _, layout in named)} cells",
        patient.ct.volume,
        shown_structures(patient, names),
        pictured(named, [one.used for one in figures], center_of(found.regions)),
        fidelity_rows(figures, patient),
        tuple(found.columns),
        left_rows(found.regions, patient, list(found.columns.values()), found.prior),
        settings.dose_sd,
        None,
        {**patient_facts(patient), **found.facts},
        provenance["seconds"],
        provenance["warnings"],
        provenance,
    )
    write_placement_report(folder / "report.html", content)
    write_json(folder / "summary.json", {"variance_left": found.values, "layouts": summary_of(figures)})
    return {"report": "report.html", "summary": "summary.json"}
