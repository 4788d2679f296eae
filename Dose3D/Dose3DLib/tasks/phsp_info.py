"""`dose3d phsp info`: what a phase-space file holds: header, record layout, particles, and a sample of its photons."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import InputError, ResourceError
from ..core.output import atomic_output
from ..core.progress import Progress
from ..core.provenance import make_provenance
from .base import Result, TaskSettings, option

if TYPE_CHECKING:
    import numpy as np

    from ..phasespace.focus_curve import FocusCurve
    from ..phasespace.particles import Particles
    from ..phasespace.phase_space import PhaseSpace
    from ..phasespace.summary import Summary

__all__ = ["POINT_COLUMNS", "Settings", "run"]

POINT_COLUMNS = ("x_cm", "y_cm", "z_cm", "u", "v", "w", "energy_mev", "weight", "starts_history")
_PHOTON = 1
_STATED_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Settings(TaskSettings):
    """A phase space, and how much of it is looked at."""

    phase_space: Path = option(help="phase space of any format: one of its files", positional=True)
    output: Path | None = option(None, help="folder for report, summary and points (default: only what is printed)")
    points: int = option(10_000, help="photons in points.csv, drawn at random", minimum=0, maximum=10_000_000)
    seed: int = option(0, help="seed of the draw", minimum=0)
    limit: int = option(
        50_000_000, help="particles to read at most; of a larger file pieces spread evenly", minimum=1000
    )
    input_plane: float | None = option(None, help="z of a file that does not hold it (EGSnrc, arrays)", unit="cm")
    input_unit: Literal["mm", "cm", "m"] | None = option(
        None, help="unit of lengths of a file that does not tell it (arrays, ROOT; default: mm)"
    )
    scene: bool = option(True, help="write scene.mrb: the drawn photons for 3D Slicer and dose3d view")
    overwrite: bool = option(False, help="replace an existing output")


def run(settings: Settings, progress: Progress | None = None) -> Result:
    """Read the header and the particles; with an output, write a folder, which appears when it is complete.

    Raises
    ------
    InputError, OutputError, Cancelled
    """
    progress = progress or Progress()
    if settings.output is None:
        found = _look(settings, progress)
        return Result(None, {}, _figures(found), tuple(progress.warnings), dict(progress.seconds))
    _spare_the_source(settings)
    with atomic_output(settings.output, settings.overwrite, settings.inputs()) as draft:
        with progress.part(0.8):
            found = _look(settings, progress)
        draft.mkdir()
        with progress.stage("points", 0.85):
            photons = _photons(settings, found, progress)
            _write_points(draft / "points.csv", photons)
        with progress.stage("scene", 0.9):
            is_wanted = settings.scene and len(photons) > 0
            files = _write_scene(draft, photons, found, progress) if is_wanted else {}
        provenance = _provenance(settings, found, progress)
        _write_json(draft / "summary.json", _record(found))
        with progress.stage("report", 1.0):
            _write_report(draft / "report.html", found, provenance)
        provenance["seconds"] = dict(progress.seconds)
        _write_json(draft / "provenance.json", provenance)
    files |= {"report": "report.html", "summary": "summary.json", "points": "points.csv",
              "provenance": "provenance.json"}  # fmt: skip
    return Result(settings.output, files, _figures(found), tuple(progress.warnings), dict(progress.seconds))


@dataclass(frozen=True, eq=False)
class _Found:
    """The open file, what was gathered of which part of it (a sentence), and where its photons come from."""

    source: PhaseSpace
    summary: Summary
    extent: str
    focus: FocusCurve | None


def _look(settings: Settings, progress: Progress) -> _Found:
    """Open the file and gather what is in it."""
    from ..phasespace.read import open_phase_space
    from ..phasespace.summary import summarise

    source = open_phase_space(settings.phase_space, settings.input_plane, settings.input_unit)
    for note in source.notes:
        progress.warn(note)
    starts, size = _pieces(source.count, settings.limit)
    with progress.stage("read particles", 0.8):
        summary = summarise(source.read(0, size), _chunks(source, starts, size, progress))
    for note in (*summary.notes, *_above_what_is_stated(source, summary)):
        progress.warn(note)
    extent = f"All {source.count:,} particles of the file were read."
    if summary.count < source.count:
        extent = (
            f"{summary.count:,} of the {source.count:,} particles were read, in pieces spread evenly over the file."
        )
        progress.warn(f"{extent} Counts, sums and extremes are of these; raise --limit to read more.")
    with progress.stage("focus", 1.0):
        focus = _focus(settings, source, summary)
    return _Found(source, summary, extent, focus)


def _above_what_is_stated(source: PhaseSpace, summary: Summary) -> list[str]:
    highest = max((one.highest_mev for one in summary.species.values()), default=0.0)
    if source.stated_mev is None or highest <= source.stated_mev * (1 + _STATED_TOLERANCE):
        return []
    return [f"the highest energy, {highest:.5g} MeV, is above the {source.stated_mev:.5g} MeV that the header states"]


def _focus(settings: Settings, source: PhaseSpace, summary: Summary) -> FocusCurve | None:
    """From a random sample with enough photons."""
    import numpy as np

    from ..phasespace.focus_curve import FOCUS_PHOTONS, find_focus

    photons = summary.species.get("photon")
    if photons is None:
        return None
    number = int(FOCUS_PHOTONS * summary.count / photons.count) + 1
    return find_focus(source.sample(min(number, 20 * FOCUS_PHOTONS), np.random.default_rng(settings.seed)))


def _pieces(count: int, limit: int) -> tuple[list[int], int]:
    """Where pieces start and how long they are: all of the file, or evenly spread ones of `limit` particles in all."""
    from ..phasespace.read import CHUNK

    if count <= limit:
        return list(range(0, count, CHUNK)), CHUNK
    size = min(CHUNK, max(1, limit // 16))
    number = max(1, limit // size)
    return [n * (count - size) // max(1, number - 1) for n in range(number)], size


def _chunks(source: PhaseSpace, starts: list[int], size: int, progress: Progress) -> Iterator[Particles]:
    for n, start in enumerate(starts):
        progress.report(n / len(starts), f"{start:,} of {source.count:,}")
        yield source.read(start, start + size)


def _spare_the_source(settings: Settings) -> None:
    """--overwrite replaces results, never the phase space."""
    if settings.output.is_file():
        raise InputError(settings.output, "is a file", "name a folder for the results")


def _photons(settings: Settings, looked_at: _Found, progress: Progress) -> Particles:
    """The photons of a random sample that is large enough for the wanted number, thinned to it."""
    import numpy as np

    source, summary = looked_at.source, looked_at.summary
    generator = np.random.default_rng(settings.seed)
    found = summary.species.get("photon")
    share = found.count / summary.count if found else 0.0
    wanted = settings.points
    drawn = source.count if share == 0 else int(1.05 * wanted / share) + 100
    photons = source.sample(min(drawn, source.count) if wanted else 0, generator)
    photons = photons.select(photons.species == _PHOTON)
    if len(photons) < wanted:
        progress.warn(f"points.csv holds {len(photons):,} photons, {wanted:,} were asked for")
        return photons
    return photons.select(np.sort(generator.choice(len(photons), wanted, replace=False)))


def _write_points(path: Path, photons: Particles) -> None:
    """One line a photon: cm, direction cosines, MeV; as many digits as float32 has."""
    with path.open("w", encoding="ascii", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(POINT_COLUMNS)
        texts = [[f"{value:.9g}" for value in values.tolist()] for values in _columns(photons)]
        texts.append([str(int(flag)) for flag in photons.is_new_history])
        writer.writerows(zip(*texts, strict=True))


def _write_scene(draft: Path, photons: Particles, found: _Found, progress: Progress) -> dict[str, str]:
    """scene.mrb, where slicer-core is there; else a warning."""
    from ..scene.phase_space_scene import write_phase_space_scene

    columns = dict(zip(POINT_COLUMNS, _columns(photons), strict=False))
    record = _record(found)
    figures = {"rows": _figures(found), "system": record["coordinate_system"], "extent": record["extent"]}
    try:
        name = found.source.files[0].stem
        write_phase_space_scene(draft / "scene.mrb", columns, name, figures | {"spectrum": record["spectrum"]})
    except ResourceError as error:
        progress.warn(f"No scene.mrb: {error.cause}; {error.remedy}")
        return {}
    return {"scene": "scene.mrb"}


def _columns(photons: Particles) -> list[np.ndarray]:
    """In the order of POINT_COLUMNS, but for the last."""
    return [photons.x, photons.y, photons.z, photons.u, photons.v, photons.w, photons.energy, photons.weight]


def _figures(found: _Found) -> dict[str, Any]:
    """What is printed."""
    source, summary, focus = found.source, found.summary, found.focus
    figures: dict[str, Any] = {"title": source.title} if source.title else {}
    figures |= {"format": source.kind, "particles": f"{source.count:,}"}
    figures["histories"] = "unknown" if source.histories is None else f"{source.histories:,}"
    if summary.count != source.count:
        figures["particles read"] = f"{summary.count:,}"
    for name, one in summary.species.items():
        energies = f"mean {one.mean_mev:.4g} MeV, {one.lowest_mev:.4g} to {one.highest_mev:.4g} MeV"
        figures[f"{name}s" if name != "unknown" else name] = f"{one.count:,}; {energies}"
    figures["start a history"] = f"{summary.new_histories:,}"
    for name in ("x", "y", "z"):
        if name in summary.ranges:
            low, high = summary.ranges[name]
            figures[name] = f"{low:.4g} cm" if low == high else f"{low:.4g} to {high:.4g} cm"
    if focus is not None and not focus.is_parallel:
        sigmas = f"sigma x {focus.best_x:.3g}, y {focus.best_y:.3g} cm"
        figures["focus of the photons"] = f"z = {focus.best_z:.3g} cm, {sigmas}"
    figures["record"] = " ".join(name for name, kind, _ in source.layout if kind != "constant")
    constants = [f"{name} {value}" for name, kind, value in source.layout if kind == "constant"]
    return figures | ({"constants": ", ".join(constants)} if constants else {})


def _record(found: _Found) -> dict[str, Any]:
    """summary.json: cm, MeV, degrees; histograms are sums of weights."""
    source, summary = found.source, found.summary
    return {
        "title": source.title,
        "format": source.kind,
        "coordinate_system": source.coordinate_system,
        "particles": source.count,
        "histories": source.histories,
        "extent": found.extent,
        "particles_read": summary.count,
        "start_history": summary.new_histories,
        "species": {name: asdict(one) for name, one in summary.species.items()},
        "ranges": {name: list(ends) for name, ends in summary.ranges.items()},
        "layout": [dict(zip(("field", "type", "meaning"), row, strict=True)) for row in source.layout],
        "header": source.header,
        "shown": summary.shown,
        "spectrum": {"edges_mev": summary.spectrum.edges.tolist(), "weights": summary.spectrum.values.tolist()},
        "angle": {"edges_degrees": summary.theta.edges.tolist(), "weights": summary.theta.values.tolist()},
        "fluence": {
            "x_edges_cm": summary.x_edges.tolist(),
            "y_edges_cm": summary.y_edges.tolist(),
            "weights": summary.fluence.tolist(),
        },
        "focus": _focus_record(found.focus),
    }


def _focus_record(focus: FocusCurve | None) -> dict[str, Any] | None:
    if focus is None:
        return None
    return {
        "photons": focus.photons,
        "is_parallel": focus.is_parallel,
        "best_z_cm": focus.best_z,
        "sigma_x_cm": focus.best_x,
        "sigma_y_cm": focus.best_y,
        "centre_cm": list(focus.centre),
        "share_within_cm": {f"{limit:g}": share for limit, share in focus.within.items()},
        "curve": {"z_cm": focus.z.tolist(), "sigma_x_cm": focus.sigma_x.tolist(), "sigma_y_cm": focus.sigma_y.tolist()},
        "spot": {"edges_cm": focus.spot_edges.tolist(), "x": focus.spot_x.tolist(), "y": focus.spot_y.tolist()},
    }


def _provenance(settings: Settings, found: _Found, progress: Progress) -> dict[str, Any]:
    """Files of many GB are known by name, size and date: a hash would take longer than all else."""
    inputs = [
        {"path": str(p), "bytes": p.stat().st_size, "modified": int(p.stat().st_mtime)} for p in found.source.files
    ]
    facts = {"inputs": inputs, "seed": settings.seed, "extent": found.extent}
    return make_provenance("phsp info", settings.to_dict(), progress, **facts)


def _write_report(path: Path, found: _Found, provenance: dict[str, Any]) -> None:
    from ..report.phase_space import PhaseSpaceReport, write_phase_space_report

    told = provenance["seconds"], provenance["warnings"], provenance
    content = PhaseSpaceReport(found.source, found.summary, found.extent, *told, found.focus)
    write_phase_space_report(path, content)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=True) + "\n"
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
