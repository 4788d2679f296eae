"""`dose3d detector calibrate`: raw readings of a detector to doses of its cells, every step on record."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..core.errors import InputError
from ..core.output import atomic_output
from ..core.progress import Progress
from ..core.provenance import file_sha256, make_provenance
from .base import Result, TaskSettings, option
from .cells_file import check_csv_name, write_cells_file

if TYPE_CHECKING:
    from ..detector.layout import Layout
    from ..detector.raw_csv import Channels, RawReadings
    from ..detector.readings import Readings
    from ..detector.signals import Calibrated, Plan

__all__ = ["Settings", "run"]


@dataclass(frozen=True)
class Settings(TaskSettings):
    """Readings, what is known of the channels, and the detector that was read."""

    readings: tuple[str, ...] = option(
        help="tables with columns channel (or cell) and reading; several are repeats. Or G4RT's cell doses"
    )
    layout: Path = option(help="LAYOUT.csv, a layout of G4RT or GATE, or a mapping workbook (.xlsx)")
    output: Path = option(help="CELLS.csv to write: a row a cell with its dose")
    calibration: Path | None = option(
        None, help="table: channel, cell, factor (Gy per unit), factor_sd_percent, saturation, state (default: "
        "the layout's cal_params, where it has any)"
    )  # fmt: skip
    factor: float | None = option(None, help="Gy per unit of the reading, times each channel's own", minimum=1e-30)
    background: Path | None = option(None, help="readings without beam, same form as the readings")
    background_level: float | None = option(None, help="one background for all channels, in units of the reading")
    background_seconds: float | None = option(
        None, help="duration of the background measurement, to scale it to --seconds", unit="s", minimum=1e-6
    )
    saturation: float | None = option(None, help="readings from here on are saturated, where the calibration says none")
    dead_below: float | None = option(None, help="channels whose mean reading is below this are dead")
    dead: tuple[str, ...] = option((), help="cells or channels that are not to be used")
    reading_error: float | None = option(
        None, help="standard deviation of a single reading, for channels that were read once", unit="percent",
        minimum=0, maximum=100,
    )  # fmt: skip
    reference_cell: str | None = option(None, help="cell of known dose, to which all doses are scaled")
    reference_dose: float | None = option(None, help="dose of the reference cell", unit="Gy", minimum=1e-9)
    seconds: float | None = option(None, help="duration of the irradiation", unit="s", minimum=1e-6)
    readings_are: Literal["dose", "dose-rate"] = option("dose", help="what a reading is proportional to")
    measured_fractions: int = option(1, help="fractions that were measured", minimum=1)
    fractions: int = option(1, help="fractions whose dose is wanted", minimum=1)
    isocenter: tuple[float, ...] = option(
        (), help="where the detector stood instead: x y z of its isocentre", unit="mm"
    )
    size: float = option(10.0, help="edge of the cells, where the layout states none", unit="mm", minimum=0.01)
    overwrite: bool = option(False, help="replace an existing output")

    def inputs(self) -> tuple[Path, ...]:
        return (*super().inputs(), *map(Path, self.readings))


def run(settings: Settings, progress: Progress | None = None) -> Result:
    """Read, calibrate and write CELLS.csv, its provenance and the report of all steps.

    Raises
    ------
    InputError, OutputError, Cancelled
    """
    from ..detector.signals import calibrate

    progress = progress or Progress()
    _check(settings)
    with progress.stage("read", 0.5):
        layout = _read_layout(settings, progress)
        raw, channels, plan = _read(settings, layout, progress)
    with progress.stage("calibrate", 0.8):
        found = calibrate(raw, channels, plan)
        readings, rows = _readings(found, layout, settings)
        for warning in found.warnings:
            progress.warn(_sentence(warning))
    with progress.stage("write", 1.0):
        files = _write(settings, found, readings, rows, progress)
    figures = _figures(found, readings)
    return Result(settings.output, files, figures, tuple(progress.warnings), dict(progress.seconds))


def _check(settings: Settings) -> None:
    """Refuse settings that say nothing together."""
    check_csv_name(settings.output)
    if not settings.readings:
        raise InputError("--readings", "names no file", "give the table of raw readings")
    if settings.isocenter and len(settings.isocenter) != 3:
        raise InputError("--isocenter", f"has {len(settings.isocenter)} numbers", "give x y z in mm (LPS)")
    if (settings.reference_cell is None) != (settings.reference_dose is None):
        raise InputError("--reference-cell", "and --reference-dose go together", "give both, or none")
    if settings.readings_are == "dose-rate" and settings.seconds is None:
        raise InputError("--readings-are dose-rate", "needs the time of irradiation", "add --seconds")
    if settings.background is not None and settings.background_level is not None:
        raise InputError("--background-level", "is given beside --background", "leave one of them out")
    if settings.background_seconds is not None and (settings.seconds is None or settings.background is None):
        raise InputError("--background-seconds", "is for --background together with --seconds", "give both")


def _read_layout(settings: Settings, progress: Progress) -> Layout:
    from ..detector.layout_csv import moved, read_layout
    from ..detector.placement import Placement

    layout = read_layout(settings.layout, size_mm=settings.size)
    for note in layout.notes:
        progress.warn(f"{settings.layout.name}: {note}")
    if not settings.isocenter:
        return layout
    from dataclasses import replace

    there = moved(layout, Placement(np.array(settings.isocenter), layout.placement.to_lps))
    return replace(there, facts=layout.facts)  # channels and factors go with the detector


def _read(settings: Settings, layout: Layout, progress: Progress) -> tuple[RawReadings, Channels | None, Plan]:
    from ..detector.raw_csv import calibration_of_layout, read_calibration, read_raw

    raw = read_raw([Path(name) for name in settings.readings], layout)
    for note in raw.notes:
        progress.warn(_sentence(note))
    if settings.calibration is not None:
        channels = read_calibration(settings.calibration)
    else:
        channels = None if raw.is_simulated else calibration_of_layout(layout)
    if settings.calibration is None and settings.factor is None and settings.reference_cell is None:
        remedy = "give --calibration, --factor, or --reference-cell with --reference-dose"
        cause = "have no calibration" if channels is None else "have relative factors (cal_params) only"
        raise InputError("--readings", cause, remedy)
    if channels is not None and settings.calibration is None:
        progress.warn("The channels' factors are the layout's cal_params.")
    return raw, channels, _plan(settings, layout)


def _plan(settings: Settings, layout: Layout) -> Plan:
    from ..detector.raw_csv import read_raw
    from ..detector.signals import Plan

    background: Any = settings.background_level
    if settings.background is not None:
        background = read_raw([settings.background], layout)
    scale = 1.0 if settings.background_seconds is None else settings.seconds / settings.background_seconds
    reference = None if settings.reference_cell is None else (settings.reference_cell, settings.reference_dose)
    return Plan(
        settings.saturation, background, scale, settings.dead_below, settings.dead,
        None if settings.reading_error is None else settings.reading_error / 100,
        1.0 if settings.factor is None else settings.factor, reference, settings.seconds,
        settings.readings_are == "dose-rate", settings.fractions / settings.measured_fractions,
    )  # fmt: skip


def _readings(found: Calibrated, layout: Layout, settings: Settings) -> tuple[Readings, np.ndarray]:
    """All cells of the layout, and for each the row of the calibrated readings (-1 for none)."""
    from ..detector.readings import Readings

    index = {label: n for n, label in enumerate(layout.cells.labels)}
    unknown = [label for label in found.labels if label not in index]
    if unknown:
        cause = f"the cell {unknown[0][:40]!r} is not in the layout"
        raise InputError(
            settings.readings[0], cause, "give labels of the layout, or say in --calibration which is which"
        )
    rows = np.full(len(layout), -1)
    rows[[index[label] for label in found.labels]] = np.arange(len(found.labels))
    dose, sd = (np.where(rows < 0, np.nan, column[rows]) for column in (found.dose_gy, found.sd_gy))
    return Readings(layout.cells, dose, np.where(np.isnan(dose), 0.0, 1.0), sd), rows


def _columns(found: Calibrated, rows: np.ndarray) -> dict[str, list[str]]:
    """Further columns of CELLS.csv: how each dose came about."""
    numbers = {"raw": found.raw, "background": found.background, "gy_per_unit": found.factor}
    columns = {
        "channel": [found.channels[n] if n >= 0 else "" for n in rows],
        "state": [found.state[n] if n >= 0 else "missing" for n in rows],
        "repeats": [str(int(found.repeats[n])) if n >= 0 else "0" for n in rows],
    }
    for name, values in numbers.items():
        columns[name] = [repr(float(values[n])) if n >= 0 and np.isfinite(values[n]) else "" for n in rows]
    return columns


def _write(
    settings: Settings, found: Calibrated, readings: Readings, rows: np.ndarray, progress: Progress
) -> dict[str, str]:
    from ..detector.readings_csv import readings_text

    comments = ["made by: dose3d detector calibrate"]
    comments.append("quantity: dose in the cells' scintillator; what the patient received there is another step")
    comments += [f"step {n}: {step.name}: {step.text}" for n, step in enumerate(found.steps, 1)]
    columns = _columns(found, rows)
    text = readings_text(readings, columns, comments, settings.output)
    page = settings.output.with_name(f"{settings.output.name}.report.html")
    inputs = settings.inputs()
    with atomic_output(page, settings.overwrite, inputs) as draft:
        record = _provenance(settings, found, progress)
        _write_report(draft, found, readings, columns, record)
        files = write_cells_file(settings.output, text, lambda: record, settings.overwrite, inputs)
    return files | {"report": page.name}


def _provenance(settings: Settings, found: Calibrated, progress: Progress) -> dict[str, Any]:
    paths = [path for path in settings.inputs() if path.is_file()]
    inputs = [{"path": str(path), "sha256": file_sha256(path)} for path in paths]
    steps = [asdict(step) for step in found.steps]
    return make_provenance("detector calibrate", settings.to_dict(), progress, inputs=inputs, steps=steps)


def _write_report(
    path: Path, found: Calibrated, readings: Readings, columns: dict[str, list[str]], provenance: dict[str, Any]
) -> None:
    from ..report.detector_signals import SignalRow, SignalsReport, write_signals_report

    rows = [
        SignalRow(label, columns["channel"][n], columns["state"][n], int(columns["repeats"][n]),
                  *(float(columns[name][n] or "nan") for name in ("raw", "background", "gy_per_unit")),
                  float(readings.dose_gy[n]), float(readings.sd_gy[n]))
        for n, label in enumerate(readings.cells.labels)
    ]  # fmt: skip
    steps = [(step.name, step.text, step.channels) for step in found.steps]
    write_signals_report(path, SignalsReport(steps, rows, provenance["warnings"], provenance["seconds"], provenance))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _figures(found: Calibrated, readings: Readings) -> dict[str, Any]:
    """What is printed."""
    known = readings.dose_gy[readings.known]
    highest = int(np.nanargmax(readings.dose_gy))
    figures: dict[str, Any] = {"cells": f"{len(readings):,}", "with a dose": f"{len(known):,}"}
    for state in ("dead", "saturated", "missing"):
        if number := found.state.count(state):
            figures[state] = f"{number:,}"
    figures["mean"] = f"{known.mean():.4g} Gy"
    figures["highest"] = f"{known.max():.4g} Gy in {readings.cells.labels[highest]}"
    errors = readings.sd_gy[np.isfinite(readings.sd_gy)]
    figures["error of a dose"] = f"{np.median(errors):.3g} Gy (median)" if len(errors) else "unknown"
    return figures
