"""From the answer of `dose3d dose scale` to the content of its report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..geometry.grid import Volume

if TYPE_CHECKING:
    from ..dose.scaling import Scaled
    from .scale_source import Study

__all__ = ["write_report"]

_TABLE = 256
_NAMES = {
    "nearest": "value of the nearest cell",
    "linear": "linear interpolation of the cells",
    "cubic": "cubic interpolation of the cells",
    "ibp": "iterative back-projection",
    "tikhonov": "smoothest dose that agrees with the cells (Tikhonov, weight by the noise)",
    "kriging": "Gaussian process (kriging)",
    "network": "trained network on the smoothest dose, conditioned on the cells",
}


def write_report(study: Study, found: Scaled, path: Path, provenance: dict[str, Any]) -> None:
    """Write report.html."""
    from ..dose.levels import make_levels
    from ..dose.null_space import SEEN_BELOW
    from ..report.dose_figures import ColorScale, Line
    from ..report.dose_scale import MapPart, ScaleReport, write_scale_report
    from .scale_files import cell_rows, figures_of

    grid = study.problem.grid
    dose = Volume(found.dose.astype(np.float32), grid)
    top = float(dose.array.max())
    levels, _, colors = make_levels((), False, top, top)
    scale = ColorScale(colors.table(np.linspace(0.0, top, _TABLE)), 0.0, top, "dose (Gy)", levels[0].dose)
    inside = found.problem.inside
    width = Volume(np.where(inside, found.half_width, np.nan).astype(np.float32), grid)
    unseen = Volume(np.where(inside, found.unseen, np.nan).astype(np.float32), grid)
    seen = inside & (found.unseen < SEEN_BELOW)
    highest = float(found.half_width[seen].max()) if seen.any() else top  # beyond the cells the band is as high as top
    content = ScaleReport(
        dose=MapPart(dose, scale, _center(dose.array, grid)),
        isodoses=tuple(Line(level.dose, level.color, level.label) for level in levels),
        width=MapPart(width, ColorScale(_ramp(), 0.0, highest, "half-width (Gy)", 0.0), _center(dose.array, grid)),
        unseen=MapPart(unseen, ColorScale(_ramp(), 0.0, 1.0, "not seen (0 to 1)", 0.0), _center(dose.array, grid)),
        difference=_difference(study, found),
        difference_name=_difference_name(study),
        cells=tuple(cell_rows(study, found)),
        facts=_facts(study, provenance),
        geometry=_geometry(study, found, provenance),
        physical_step=study.step,
        figures={key: str(value) for key, value in figures_of(study, found).items() if key != "physical step"},
        ct=study.problem.ct,
        seconds=provenance["seconds"],
        warnings=provenance["warnings"],
        provenance=_short(provenance),
    )
    write_scale_report(path, content)


def _ramp() -> np.ndarray:
    from ..dose.colors import difference_colors

    return difference_colors(2 * _TABLE)[_TABLE:]


def _center(array: np.ndarray, grid: Any) -> tuple[float, float, float]:
    at = np.unravel_index(int(np.nanargmax(array)), array.shape)
    x, y, z = grid.to_lps(np.array(at[::-1]))
    return float(x), float(y), float(z)


def _difference(study: Study, found: Scaled) -> Any:
    """From the plan; without one from what linear interpolation makes of the same cells."""
    from ..dose.colors import difference_colors
    from ..dose.methods import method
    from ..report.dose_figures import ColorScale
    from ..report.dose_scale import MapPart

    plan = study.problem.plan
    other = method("linear")(found.problem) if plan is None else plan.array
    array = (found.dose - other).astype(np.float32)
    limit = float(np.abs(array).max()) or 1e-3
    scale = ColorScale(difference_colors(_TABLE), -limit, limit, "difference (Gy)")
    return MapPart(Volume(array, study.problem.grid), scale, _center(np.abs(array), study.problem.grid))


def _difference_name(study: Study) -> str:
    if study.problem.plan is None:
        return "This dose minus linear interpolation of the same cells"
    return f"This dose minus the plan {study.plan_path.name}"


def _facts(study: Study, provenance: dict[str, Any]) -> dict[str, str]:
    labels = {"name": "Patient", "id": "Patient ID", "study": "Study", "series": "Grid of"}
    facts = {label: study.source.patient.get(key, "") for key, label in labels.items()}
    facts["Method"] = _NAMES[provenance["settings"]["method"]]
    facts["Plan"] = study.plan_path.name if study.plan_path else "none"
    facts["Body"] = study.body_name or "not known"
    return facts


def _geometry(study: Study, found: Scaled, provenance: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    rows = []
    for path, readings, operator in zip(study.paths, study.readings, found.problem.operators, strict=True):
        cells = readings.cells
        low, high = cells.centers_mm.min(axis=0), cells.centers_mm.max(axis=0)
        size = " x ".join(f"{mm:g}" for mm in np.median(cells.sizes_mm, axis=0))
        span = ", ".join(f"{axis} {a:+.1f} to {b:+.1f}" for axis, a, b in zip("LPS", low, high, strict=True))
        cut = int((operator.fraction < 1).sum())
        text = f"{len(cells)} cells of {size} mm, centres {span} mm"
        rows.append((path.name, text + (f"; {cut} not wholly in the grid" if cut else "")))
    return tuple(rows)


def _short(provenance: dict[str, Any]) -> dict[str, Any]:
    inputs = [{k: v for k, v in one.items() if k != "sop_instance_uids"} for one in provenance["inputs"]]
    return {**provenance, "inputs": inputs}
