"""The layout that the settings of `dose3d detector layout` ask for, put into the patient."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import InputError
from ..core.progress import Progress
from .base import options_of
from .layout_patient import default_targets

if TYPE_CHECKING:
    from ..detector.lattice import Lattice
    from ..detector.layout import Layout
    from ..detector.placement import Placement
    from ..geometry.structure import StructureSet
    from .detector_layout import Settings
    from .layout_patient import Patient

__all__ = ["build_layout", "check_settings"]

_WALL_MM, _SIZE_MM = 1.0, 10.0

_LATTICE = ("pitch", "row_shift", "layer_shift", "phase", "gap_every", "gap")
_FILLING = ("fill", "threshold", "minimum", "cells", "columns")
_LENGTHS = ("size", "wall", "pitch", "row_shift", "layer_shift", "phase", "gap", "isocenter")
_FARTHEST_MM = 1e4
_STRUCTURES = ("names", "surface_frame", "lenient")
_CT = ("series", "resample_slices", "hu_table")


def check_settings(settings: Settings) -> None:
    """Refuse settings that would have no effect, or that say the same thing twice.

    Raises
    ------
    InputError
    """
    from ..detector.presets import find_preset

    _check_lengths(settings)
    sources = [name for name in ("preset", "from_file", "count") if getattr(settings, name)]
    if len(sources) > 1:
        flags = " and ".join(_flag(name) for name in sources)
        raise InputError(flags, "each say which cells there are", "give one of them")
    if not sources and settings.structures is None:
        remedy = "give --preset, --from-file, --count, or --structures (with --ct) to be filled"
        raise InputError("detector layout", "nothing says which cells there are", remedy)
    if settings.preset:
        find_preset(settings.preset)
    origin = _flag(sources[0]) if sources else ""
    if origin:
        _refuse(settings, _FILLING, f"chooses cells of a lattice, and {origin} says which there are")
    if origin in ("--preset", "--from-file"):
        _refuse(settings, _LATTICE, f"is about a lattice, and {origin} says which cells there are")
    if not origin and settings.centered:
        raise InputError("--centered", "is for cells that are given, and here structures are filled", "leave it out")
    if settings.structures is None:
        _refuse(settings, _STRUCTURES, "is about structures, and none are given")
    if settings.ct is None:
        _refuse(settings, _CT, "is about a CT, and none is given")
    if settings.isocenter and settings.plan is not None and settings.patient_position:
        raise InputError("--plan", "has no effect beside --isocenter and --patient-position", "leave it out")
    if settings.turn_axis != "y" and settings.angle == 0:
        raise InputError("--turn-axis", "is the axis of --angle, which is 0", "give --angle or leave it out")


def _check_lengths(settings: Settings) -> None:
    """Ten metres are more than any patient; farther numbers are in another unit."""
    for name in _LENGTHS:
        value = getattr(settings, name)
        farthest = np.abs(0.0 if value is None else value).max(initial=0.0)
        if farthest > _FARTHEST_MM:
            raise InputError(_flag(name), f"{farthest:g} mm are more than {_FARTHEST_MM:g}", "give millimetres")


def build_layout(settings: Settings, patient: Patient, progress: Progress) -> tuple[Layout, tuple[str, ...]]:
    """The layout and the names of the structures that it is for.

    Raises
    ------
    InputError
        impossible cells, structures that are not there or get none, more than a million cells.
    """
    from ..detector.layout_csv import check_layout

    targets = _targets(settings, patient.structures)
    placement = _placement(settings, patient, targets, progress)
    if settings.preset:
        layout = _preset(settings, placement)
    elif settings.from_file is not None:
        layout = _from_file(settings, placement)
    else:
        layout = _regular(settings, placement, targets)
    layout = _centered(layout) if settings.centered else layout
    what = settings.preset or settings.from_file or "the layout"
    names = () if targets is None else tuple(targets.names)
    return check_layout(what, layout), names


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _refuse(settings: Settings, names: tuple[str, ...], cause: str) -> None:
    defaults = {item.name: item.default for item in options_of(type(settings))}
    for name in names:
        if getattr(settings, name) != defaults[name]:
            raise InputError(_flag(name), cause, "leave one of them out")


def _three(name: str, values: tuple[float, ...], default: Any) -> np.ndarray:
    """(3,) of none, one or three numbers."""
    if len(values) not in (0, 1, 3):
        raise InputError(_flag(name), f"has {len(values)} numbers", "give three (x y z), or one for all")
    return np.broadcast_to(np.asarray(values or default, np.float64), (3,)).copy()


def _point(name: str, values: tuple[float, ...]) -> np.ndarray:
    if len(values) != 3:
        raise InputError(_flag(name), f"has {len(values)} numbers", "give x y z in mm")
    return np.array(values, np.float64)


def _targets(settings: Settings, structures: StructureSet | None) -> StructureSet | None:
    from ..detector.fill import chosen_structures

    if structures is None:
        return None
    return chosen_structures(structures, settings.fill or default_targets(structures), "--fill")


def _placement(
    settings: Settings, patient: Patient, targets: StructureSet | None, progress: Progress
) -> Placement | None:
    """Where the detector frame stands; None leaves a layout of ours where its file says."""
    from ..detector.frames import frame_placement
    from ..detector.lattice import turned
    from ..detector.layout_csv import is_own_layout, read_layout
    from ..detector.placement import Placement

    stays = settings.from_file is not None and is_own_layout(settings.from_file)
    asked = settings.plan is not None or settings.patient_position or settings.frame != "g4rt"
    if stays and not asked:
        before = read_layout(settings.from_file, size_mm=_single_size(settings)).placement
        point = _point("isocenter", settings.isocenter) if settings.isocenter else before.isocenter_mm
        after = turned(Placement(point, before.to_lps), settings.angle, settings.turn_axis)
        return after if settings.isocenter or settings.angle else None
    position = settings.patient_position or (patient.plan.position if patient.plan else "HFS")
    center = _isocenter(settings, patient, targets, progress)
    return turned(frame_placement(settings.frame, center, position), settings.angle, settings.turn_axis)


def _isocenter(settings: Settings, patient: Patient, targets: StructureSet | None, progress: Progress) -> np.ndarray:
    from ..detector.fill import detector_box
    from ..detector.placement import Placement

    if settings.isocenter:
        return _point("isocenter", settings.isocenter)
    if patient.plan is not None:
        return patient.plan.isocenter_mm
    if targets is not None:
        low, high = detector_box(targets, Placement(np.zeros(3), np.eye(3)))
        names = ", ".join(targets.names[:3]) + (" ..." if len(targets) > 3 else "")
        progress.warn(f"No isocentre is given: the middle of {names} was taken.")
        return np.round((low + high) / 2, 3)
    if patient.ct is not None:
        progress.warn("No isocentre is given: the middle of the CT was taken.")
        return np.round(patient.ct.volume.grid.corners_mm().mean(axis=0), 3)
    progress.warn("No isocentre is given: the detector stands at the origin of the patient's coordinates.")
    return np.zeros(3)


def _single_size(settings: Settings) -> float:
    if len(settings.size) > 1:
        raise InputError("--size", "is one number for cells of a file", "give the edge of a cube")
    return settings.size[0] if settings.size else _SIZE_MM


def _preset(settings: Settings, placement: Placement) -> Layout:
    from ..detector.presets import preset_layout

    size = _three("size", settings.size, _SIZE_MM) if settings.size else None
    return preset_layout(settings.preset, placement, size, settings.wall)


def _from_file(settings: Settings, placement: Placement | None) -> Layout:
    from ..detector.layout_csv import read_layout

    layout = read_layout(settings.from_file, placement, _single_size(settings))
    if settings.size and not np.allclose(layout.cells.sizes_mm, settings.size[0]):
        raise InputError(
            "--size", f"is for files that state no sizes, and {settings.from_file.name} does", "leave it out"
        )
    return layout if settings.wall is None else replace(layout, wall_mm=settings.wall)


def _lattice(settings: Settings) -> Lattice:
    from ..detector.lattice import Lattice

    size = _three("size", settings.size, _SIZE_MM)
    wall = _WALL_MM if settings.wall is None else settings.wall
    pitch = _three("pitch", settings.pitch, size + 2 * wall)
    if settings.wall is not None and (pitch < size + 2 * wall - 1e-9).any():
        cause = f"leaves no room for walls of {wall:g} mm between cells of {_text(size)} mm"
        raise InputError("--pitch", cause, "give a pitch of at least size plus two walls")
    phase = _three("phase", settings.phase, 0.0)
    every, gap = _three("gap_every", settings.gap_every, 0.0), _three("gap", settings.gap, 0.0)
    if (every % 1).any():
        raise InputError("--gap-every", "is no whole number of cells", "give whole numbers")
    if ((every > 0) != (gap > 0)).any():
        raise InputError("--gap-every", "and --gap don't fit", "give both for the same axes, 0 for the others")
    triples = [tuple(map(float, values)) for values in (size, pitch, phase)]
    return Lattice(*triples, settings.row_shift, settings.layer_shift, tuple(map(int, every)), tuple(map(float, gap)))


def _text(values: np.ndarray) -> str:
    return " x ".join(f"{value:g}" for value in values)


def _regular(settings: Settings, placement: Placement, targets: StructureSet | None) -> Layout:
    from ..detector.lattice import lattice_cells
    from ..detector.layout import Layout

    lattice, notes = _lattice(settings), ()
    if settings.count:
        lattice, index = _counted(settings, lattice)
        name = f"lattice {_text(index.max(axis=0) + 1)}"
    else:
        index, notes = _filled(settings, lattice, placement, targets)
        name = "filled " + ", ".join(targets.names[:3])
    first = index.min(axis=0)
    cells = lattice_cells(lattice, index, placement, first)
    wall = min(_WALL_MM, lattice.wall_mm) if settings.wall is None else settings.wall
    return Layout(
        cells, placement, tuple(f"Layer_{b}" for b in index[:, 1] - first[1]), max(wall, 0.0), name, {}, notes
    )


def _counted(settings: Settings, lattice: Lattice) -> tuple[Lattice, np.ndarray]:
    """All cells of a lattice; without a phase its middle is the origin."""
    count = _three("count", settings.count, 1.0)
    if (count % 1).any():
        raise InputError("--count", "is no whole number of cells", "give whole numbers")
    if count.max() > 1_000_000 or count.prod() > 1_000_000:
        raise InputError("--count", f"{_text(count)} cells are more than a million", "give fewer")
    b, c, a = np.meshgrid(*(np.arange(int(count[axis])) for axis in (1, 2, 0)), indexing="ij")
    index = np.stack([a.ravel(), b.ravel(), c.ravel()], axis=1)
    if not settings.phase:
        centers = lattice.centers_mm(index)
        lattice = replace(lattice, phase_mm=tuple((-(centers.min(axis=0) + centers.max(axis=0)) / 2 + 0.0).tolist()))
    return lattice, index


def _filled(
    settings: Settings, lattice: Lattice, placement: Placement, targets: StructureSet
) -> tuple[np.ndarray, tuple[str, ...]]:
    from ..detector.fill import FillRules, fill

    axis = None if settings.columns is None else "xyz".index(settings.columns)
    rules = FillRules(settings.threshold / 100, settings.minimum, settings.cells, axis)
    found = fill(lattice, placement, targets, rules)
    return found.index, found.notes


def _centered(layout: Layout) -> Layout:
    from ..geometry.cells import Cells

    points = layout.detector_centers_mm()
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    centers = layout.placement.lps(np.round(points - middle, 9) + 0.0)
    return replace(layout, cells=Cells(layout.cells.labels, centers, layout.cells.sizes_mm, layout.cells.axes))
