"""`dose3d phsp convert`: a phase space into another format, cut, filtered, moved or turned; histories stay right."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import InputError
from ..core.output import atomic_output
from ..core.progress import Progress
from ..core.provenance import make_provenance
from .base import Result, TaskSettings, option

if TYPE_CHECKING:
    from ..phasespace.convert import Conversion, Plan
    from ..phasespace.filters import Selection
    from ..phasespace.phase_space import PhaseSpace
    from ..phasespace.write import FileFacts

__all__ = ["Settings", "run"]

Format = Literal[
    "iaea", "egs-mode0", "egs-mode2", "topas", "topas-ascii", "topas-limited", "peneasy", "npy", "npz", "root", "mcpl"
]
_STATED_TOLERANCE = 1e-3
_FAR = 1e5
"""cm; beyond it float32 positions are no better than a millimetre."""


@dataclass(frozen=True)
class Settings(TaskSettings):
    """A phase space, where it goes, and what is done on the way: cut, filters, plane, rotation, recycling.

    Filters judge particles where the input has them. Original histories, to which doses are normalised, stay those of
    the input; a cut takes its share of them.
    """

    input: Path = option(help="phase space of any format: one of its files", positional=True)
    output: Path = option(
        help="file to write; its ending tells the format: .IAEAphsp, .egsphsp1, .phsp (TOPAS), .dat, .npy, .root ...",
        positional=True,
    )
    format: Format | None = option(None, help="format, where the ending does not tell it")
    append: tuple[str, ...] = option((), help="further phase spaces whose particles follow; histories are summed")
    species: tuple[str, ...] = option(
        (), help="species to keep (default: all)", choices=("photon", "electron", "positron", "neutron", "proton")
    )
    min_energy: float | None = option(None, help="lowest kinetic energy to keep", unit="MeV", minimum=0)
    max_energy: float | None = option(None, help="highest kinetic energy to keep", unit="MeV", minimum=0)
    min_radius: float | None = option(None, help="smallest distance from the z axis to keep", unit="cm", minimum=0)
    max_radius: float | None = option(None, help="largest distance from the z axis to keep", unit="cm", minimum=0)
    rectangle: tuple[float, ...] = option((), help="lowest x, highest x, lowest y, highest y to keep", unit="cm")
    min_angle: float | None = option(None, help="smallest angle to +z to keep", unit="degrees", minimum=0, maximum=180)
    max_angle: float | None = option(
        None, help="largest angle to +z to keep; 90 keeps what goes downstream", unit="degrees", minimum=0, maximum=180
    )
    first: int = option(0, help="particles of the input to pass over", minimum=0)
    particles: int | None = option(None, help="particles of the input to take at most (default: all)", minimum=1)
    input_plane: float | None = option(None, help="z of an input that does not hold it (EGSnrc, arrays)", unit="cm")
    input_unit: Literal["mm", "cm", "m"] | None = option(
        None, help="unit of lengths of an input that does not tell it (arrays, ROOT; default: mm)"
    )
    plane: float | None = option(
        None, help="carry all along straight lines to this z", unit="cm", minimum=-_FAR, maximum=_FAR
    )
    gantry: float | None = option(
        None, help="gantry angle: turn into the fixed system of IEC 61217", unit="degrees", minimum=-360, maximum=360
    )
    collimator: float | None = option(
        None, help="collimator angle of IEC 61217", unit="degrees", minimum=-360, maximum=360
    )
    source_axis: float = option(
        100.0, help="distance of source and isocentre, for the angles", unit="cm", minimum=0, maximum=_FAR
    )
    source_z: float = option(
        0.0, help="z of the source in the input, for the angles", unit="cm", minimum=-_FAR, maximum=_FAR
    )
    recycle: int = option(
        1,
        help="times that each particle is written; does not lower the variance of the file",
        minimum=1,
        maximum=10_000,
    )
    byte_order: Literal["little", "big"] = option("little", help="byte order, where the format can say it")
    title: str = option("", help="title in the header (default: that of the input)")
    overwrite: bool = option(False, help="replace existing files")

    def inputs(self) -> tuple[Path, ...]:
        return (self.input, *map(Path, self.append))


def run(settings: Settings, progress: Progress | None = None) -> Result:
    """Read, change and write; the files appear when all are complete, a cancel or a fault leaves none.

    Raises
    ------
    InputError, OutputError, Cancelled
    """
    from ..phasespace.convert import Conversion, facts_of
    from ..phasespace.write import files_of, format_of

    progress = progress or Progress()
    plan = _plan(settings)
    form = format_of(settings.output, settings.format)
    _refuse_inputs_as_output(settings, files_of(settings.output, form))
    sources = _opened(settings, progress)
    conversion = Conversion(sources, plan)
    facts = facts_of(conversion, settings.title, settings.byte_order)
    _write(settings, conversion, facts, progress)
    figures = _figures(form, conversion, facts)
    return Result(settings.output, _files(settings), figures, tuple(progress.warnings), dict(progress.seconds))


def _plan(settings: Settings) -> Plan:
    from ..phasespace.convert import Plan
    from ..phasespace.transform import Rotation

    rotation = None
    if settings.gantry is not None or settings.collimator is not None:
        angles = settings.gantry or 0.0, settings.collimator or 0.0
        rotation = Rotation(*angles, settings.source_axis, settings.source_z)
    first, count = settings.first, settings.particles
    return Plan(_selection(settings), first, count, settings.plane, rotation, settings.recycle)


def _selection(settings: Settings) -> Selection:
    from ..phasespace.filters import Selection

    ranges = {name: (getattr(settings, f"min_{name}"), getattr(settings, f"max_{name}"))
              for name in ("energy", "radius", "angle")}  # fmt: skip
    for name, (low, high) in ranges.items():
        if low is not None and high is not None and low > high:
            raise InputError(f"--min-{name}", f"{low:g} is above --max-{name} {high:g}", "exchange them")
    rectangle = settings.rectangle
    if rectangle and (len(rectangle) != 4 or rectangle[0] > rectangle[1] or rectangle[2] > rectangle[3]):
        cause = f"{' '.join(f'{value:g}' for value in rectangle)} is no rectangle"
        raise InputError("--rectangle", cause, "give lowest x, highest x, lowest y, highest y")
    return Selection(settings.species, ranges["energy"], ranges["radius"], rectangle or None, ranges["angle"])


def _refuse_inputs_as_output(settings: Settings, targets: tuple[Path, ...]) -> None:
    """Before anything is opened: a header's name may be given for the records."""
    places = {path.resolve() for path in settings.inputs()}
    if any(target.resolve() in places for target in targets):
        raise InputError(settings.output, "is an input itself, which would be lost", "choose another output")


def _opened(settings: Settings, progress: Progress) -> list[PhaseSpace]:
    from ..phasespace.read import open_phase_space

    sources = []
    for path in settings.inputs():
        _check_is_needed(settings, path)
        sources.append(open_phase_space(path, settings.input_plane, settings.input_unit))
    for source in sources:
        for note in source.notes:
            progress.warn(note if len(sources) == 1 else f"{source.files[0].name}: {note}")
    places = [source.files[0].resolve() for source in sources]
    if len(set(places)) < len(places):
        progress.warn("a file is given twice: the variance of its particles does not become smaller")
    return sources


def _check_is_needed(settings: Settings, path: Path) -> None:
    """What a file says itself is not overruled: who gives it may mean to move the particles."""
    from ..phasespace.read import READERS, kind_of

    options = READERS[kind_of(path)][1]
    if settings.input_plane is not None and "plane" not in options:
        remedy = "leave it out; --plane carries particles to another z"
        raise InputError("--input-plane", f"{path.name} holds z itself", remedy)
    if settings.input_unit is not None and "unit" not in options:
        raise InputError("--input-unit", f"the format of {path.name} tells its unit", "leave it out")


def _write(settings: Settings, conversion: Conversion, facts: FileFacts, progress: Progress) -> None:
    from ..phasespace.write import format_of, open_writer

    inputs = [path for source in conversion.sources for path in source.files]
    provenance = _provenance_path(settings)
    with (
        atomic_output(provenance, settings.overwrite, inputs) as record,
        open_writer(settings.output, facts, settings.format, settings.overwrite, inputs) as writer,
    ):
        total = max(1, conversion.total)
        with progress.stage("convert", 1.0):
            for chunk in conversion.chunks(lambda read: progress.report(read / total, f"{read:,} of {total:,}")):
                writer.write(chunk)
        for note in getattr(writer, "notes", ()):  # what this format cannot hold
            progress.warn(note)
        _check_something_is_left(settings, conversion)
        _warn(conversion, facts, format_of(settings.output, settings.format), progress)
        text = json.dumps(_provenance(settings, conversion, facts, progress), indent=2, ensure_ascii=False)
        record.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def _check_something_is_left(settings: Settings, conversion: Conversion) -> None:
    if not conversion.written:
        reasons = ", ".join(f"{number:,} {reason}" for reason, number in conversion.left_out.items() if number)
        cause = f"no particle is left ({reasons or 'the cut lies behind the end'})"
        raise InputError(settings.input, cause, "widen the filters or the cut")


def _warn(conversion: Conversion, facts: FileFacts, form: str, progress: Progress) -> None:
    """What the user should know; the numbers are known when all has passed."""
    from ..phasespace.formats.losses import losses

    if number := conversion.left_out["impossible"]:
        progress.warn(f"{number:,} records hold no particle (no numbers, energy or direction, or an unknown species) "
                      "and were left out")  # fmt: skip
    if number := conversion.left_out["never reach the plane"]:
        progress.warn(f"{number:,} particles run along the plane and never reach it; they were left out")
    stated = [source.stated_mev for source in conversion.sources if source.stated_mev is not None]
    if stated and conversion.highest_mev > max(stated) * (1 + _STATED_TOLERANCE):
        progress.warn(f"the highest energy, {conversion.highest_mev:.5g} MeV, is above the {max(stated):.5g} MeV that "
                      "the header states; --max-energy leaves such particles out")  # fmt: skip
    for loss in losses(form, facts):
        progress.warn(loss)
    if facts.histories is None:
        progress.warn("original histories are not known: doses cannot be normalised to them")
    if conversion.plan.passes > 1:
        progress.warn(f"each particle is written {conversion.plan.passes} times: the statistical error of the original "
                      "particles (latent variance) stays, and is larger than a dose calculation will say")  # fmt: skip


def _provenance_path(settings: Settings) -> Path:
    """By the whole name: the same particles may lie there in several formats."""
    return settings.output.with_name(f"{settings.output.name}.provenance.json")


def _provenance(settings: Settings, conversion: Conversion, facts: FileFacts, progress: Progress) -> dict[str, Any]:
    """Files of many GB are known by name, size and date: a hash would take longer than all else."""
    paths = [path for source in conversion.sources for path in source.files]
    inputs = [{"path": str(p), "bytes": p.stat().st_size, "modified": int(p.stat().st_mtime)} for p in paths]
    return make_provenance(
        "phsp convert", settings.to_dict(), progress, inputs=inputs, particles=dict(conversion.written),
        left_out=dict(conversion.left_out), histories=facts.histories, notes=list(facts.notes),
        constants=dict(facts.constants),
    )  # fmt: skip


def _files(settings: Settings) -> dict[str, str]:
    from ..phasespace.write import files_of

    names = [path.name for path in files_of(settings.output, settings.format)]
    kinds = dict(zip(("records", "header"), names, strict=False))
    return kinds | {"provenance": _provenance_path(settings).name}


def _figures(form: str, conversion: Conversion, facts: FileFacts) -> dict[str, Any]:
    """What is printed."""
    figures: dict[str, Any] = {"format": form, "particles": f"{sum(conversion.written.values()):,}"}
    figures |= {f"{name}s": f"{number:,}" for name, number in conversion.written.most_common()}
    figures["original histories"] = "unknown" if facts.histories is None else f"{facts.histories:,}"
    return figures | {reason: f"{number:,}" for reason, number in conversion.left_out.items() if number}
