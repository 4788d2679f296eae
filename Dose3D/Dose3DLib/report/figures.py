"""Pictures of a CT with contours: matplotlib's Figure and Agg canvas, never pyplot, so that any thread can draw."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..geometry.grid import Volume
from ..geometry.structure import StructureSet
from .planes import PLANES, Plane, anatomy, best_slices, body_box, make_plane, slab_box

__all__ = ["SOFT_TISSUE_HU", "ChangePanel", "axial_figure", "changes_figure", "choose_planes", "overview_figure",
           "plane_text", "shown_names"]  # fmt: skip

SOFT_TISSUE_HU = (-160.0, 240.0)
"""Black and white of the pictures: the usual soft-tissue window (width 400, centre 40)."""

_DPI = 150
_PAGE_INCHES = 7.1
_SLIMNESS = (0.35, 2.0)
"""Height over width of a panel at most: a whole-body scan or a single slice must not make a page of its own."""

_NARROWEST = 0.37
"""Share of the page that a column has at least, so that its captions fit."""

_TWO_LINES = 0.38
"""Inches below a panel for a caption of two lines."""

_INK = "#1b2733"
_BAR_CHOICES_MM = (200, 100, 50, 20, 10, 5, 2, 1)


@dataclass(frozen=True, eq=False)
class ChangePanel:
    """One panel of `changes_figure`: a plane, the structures of both versions that it shows, and what stands below."""

    plane: Plane
    before: StructureSet
    after: StructureSet
    caption: str


_PanelContent = tuple[Plane, StructureSet, StructureSet | None, str]
"""Plane, structures, those drawn dashed over them, caption."""


def choose_planes(volume: Volume, structures: StructureSet, axial_count: int = 6) -> tuple[list[Plane], list[Plane]]:
    """The planes worth looking at: one of each direction, and up to `axial_count` axial ones, superior first."""
    box = body_box(volume.array, structures)
    grid, body = volume.grid, anatomy(volume.grid)
    across = {"axial": body.axes[2], "coronal": body.axes[1], "sagittal": body.axes[0]}
    overview = []
    for name in PLANES:
        index = best_slices(structures, across[name], 1)
        window = slab_box(structures, across[name], index, box)
        overview.append(make_plane(grid, name, index[0], window))
    axial = []
    for index in best_slices(structures, across["axial"], axial_count):
        window = slab_box(structures, across["axial"], [index], box)
        axial.append(make_plane(grid, "axial", index, window))
    return overview, sorted(axial, key=lambda plane: -plane.position_mm)


def overview_figure(volume: Volume, structures: StructureSet, planes: list[Plane]) -> bytes:
    """Axial slice on the left, coronal above sagittal on the right, with contours; PNG.

    `planes` are these three, in this order. Each has a scale bar: the scales differ so that the page is filled.
    """
    (first, second, third), gap, caption = [_size_mm(plane) for plane in planes], 0.08, 0.24
    slimness = [min(max(high / wide, _SLIMNESS[0]), _SLIMNESS[1]) for wide, high in (first, second, third)]
    # Both columns are equally high: s1 * left = (s2 + s3) * right + caption + gap, where left + gap + right = page.
    right = (slimness[0] * (_PAGE_INCHES - gap) - caption - gap) / sum(slimness)
    right = min(max(right, _NARROWEST * _PAGE_INCHES), (1 - _NARROWEST) * _PAGE_INCHES)
    left = _PAGE_INCHES - gap - right
    total = max(slimness[0] * left, 0.6 * (slimness[1] + slimness[2]) * right + caption + gap)
    share = (total - caption - gap) / (slimness[1] + slimness[2])
    heights = [total, slimness[1] * share, slimness[2] * share]
    boxes = [
        (0.0, 0.0, left, heights[0]),
        (left + gap, 0.0, right, heights[1]),
        (left + gap, heights[1] + caption + gap, right, heights[2]),
    ]
    return _draw(volume, [(p, structures, None, plane_text(p, volume)) for p in planes], boxes)


def axial_figure(volume: Volume, structures: StructureSet, planes: list[Plane]) -> bytes:
    """Axial slices with contours in equal panels, three a row, each as large as it fits; PNG."""
    return _draw(volume, [(p, structures, None, plane_text(p, volume)) for p in planes], _row_boxes(planes))


def _row_boxes(planes: list[Plane], caption: float = 0.26) -> list[tuple[float, ...]]:
    """Equal panels, three a row, as high as most planes need, with `caption` inches below each."""
    columns, gap = 3, 0.08
    width = (_PAGE_INCHES - gap * (columns - 1)) / columns
    slimness = sorted(high / wide for wide, high in map(_size_mm, planes))
    height = width * min(max(slimness[len(slimness) // 2], 0.7), 1.25)
    return [(n % columns * (width + gap), n // columns * (height + caption), width, height) for n in range(len(planes))]


def changes_figure(volume: Volume, panels: list[ChangePanel]) -> bytes:
    """Slices with two versions of structures, the earlier one dashed in white, in panels like `axial_figure`'s; PNG."""
    boxes = _row_boxes([panel.plane for panel in panels], caption=_TWO_LINES)
    contents = [(panel.plane, panel.after, panel.before, panel.caption) for panel in panels]
    return _draw(volume, contents, boxes, below=_TWO_LINES - 0.04)


def _draw(volume: Volume, panels: list[_PanelContent], boxes: list[tuple[float, ...]], below: float = 0.22) -> bytes:
    """Panels at (left, top, width, height) inches on a white page that is as high as they need; PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    total = max(top + height for _, top, _, height in boxes) + below
    figure = Figure(figsize=(_PAGE_INCHES, total), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    for content, (left, top, width, height) in zip(panels, boxes, strict=True):
        place = (left / _PAGE_INCHES, 1 - (top + height) / total, width / _PAGE_INCHES, height / total)
        _panel(figure.add_axes(place), volume, content, height / width)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", pil_kwargs={"compress_level": 3})
    return buffer.getvalue()


def _size_mm(plane: Plane) -> tuple[float, float]:
    corners = _corners(plane)
    width, height = corners.max(axis=0) - corners.min(axis=0)
    return float(width), float(height)


def _corners(plane: Plane) -> np.ndarray:
    rows, columns = (plane.window[a][1] - plane.window[a][0] for a in (plane.rows, plane.columns))
    pixels = np.array([[x, y] for x in (-0.5, columns - 0.5) for y in (-0.5, rows - 0.5)])
    return pixels @ plane.to_mm.T


def _centered(corners: np.ndarray, shape: float) -> tuple[np.ndarray, np.ndarray]:
    """Limits in mm of the panel that holds these corners, widened to the panel's height over width."""
    low, high = corners.min(axis=0), corners.max(axis=0)
    size = high - low
    wanted = np.array([max(size[0], size[1] / shape), max(size[1], size[0] * shape)])
    return low - (wanted - size) / 2, high + (wanted - size) / 2


def _panel(axes: Any, volume: Volume, content: _PanelContent, shape: float) -> None:
    """Draw one plane; `shape` is the panel's height over width, which the picture is centred in."""
    from matplotlib.patches import Rectangle
    from matplotlib.transforms import Affine2D

    plane, structures, dashed, caption = content
    picture = plane.cut(volume.array)
    low, high = _centered(_corners(plane), shape)
    axes.set_axis_off()  # drawing ticks and spines only to hide them would take half of the time
    axes.add_patch(Rectangle((0, 0), 1, 1, transform=axes.transAxes, color="black", zorder=-1))
    _image(axes, picture, Affine2D(np.pad(plane.to_mm, (0, 1)) + np.diag([0.0, 0.0, 1.0])))
    axes.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]))
    _contours(axes, structures, plane)
    if dashed is not None:
        _dashes(axes, dashed, plane)
    _letters(axes, plane)
    _scale_bar(axes, float(high[0] - low[0]))
    axes.annotate(caption, (0, 0), (0, -3), "axes fraction", "offset points", va="top", fontsize=7, color=_INK)


def _image(axes: Any, picture: np.ndarray, to_mm: Any) -> None:
    shown = axes.imshow(
        picture,
        cmap="gray",
        vmin=SOFT_TISSUE_HU[0],
        vmax=SOFT_TISSUE_HU[1],
        interpolation="bilinear",
        aspect="auto",
        extent=(-0.5, picture.shape[1] - 0.5, picture.shape[0] - 0.5, -0.5),
    )
    shown.set_transform(to_mm + axes.transData)


def _contours(axes: Any, structures: StructureSet, plane: Plane) -> None:
    """Outlines at the pixels' edges, dark underneath so that they stand out on bone and on fat."""
    from matplotlib.collections import LineCollection

    for structure in structures:
        flat = None if structure.mask.is_empty else plane.cut_mask(structure.mask)
        if flat is None:
            continue
        lines = [line @ plane.to_mm.T for line in _outline(flat)]
        color = tuple(c / 255.0 for c in structure.color)
        axes.add_collection(LineCollection(lines, colors="black", linewidths=2.0, alpha=0.45), autolim=False)
        axes.add_collection(LineCollection(lines, colors=[color], linewidths=1.1), autolim=False)


def _dashes(axes: Any, structures: StructureSet, plane: Plane) -> None:
    """The outlines of an earlier version over those of the later: dashed, so that both are seen where they agree."""
    from matplotlib.collections import LineCollection

    for structure in structures:
        flat = None if structure.mask.is_empty else plane.cut_mask(structure.mask)
        if flat is not None:
            lines = [line @ plane.to_mm.T for line in _outline(flat)]
            style = {"colors": "white", "linewidths": 0.9, "linestyles": (0, (3, 3))}
            axes.add_collection(LineCollection(lines, **style), autolim=False)


def _outline(flat: np.ndarray) -> list[np.ndarray]:
    """Marching squares at one half; (n, 2) arrays of (column, row)."""
    from contourpy import contour_generator

    framed = np.pad(flat, 1).astype(np.float32)
    return [line - 1.0 for line in contour_generator(z=framed).lines(0.5)]


def _outlined(axes: Any, x: float, y: float, text: str, **style: Any) -> None:
    """Text that stands out on air and on bone alike; x, y in shares of the panel."""
    from matplotlib.patheffects import withStroke

    effects = [withStroke(linewidth=1.5, foreground="black")]
    axes.text(x, y, text, transform=axes.transAxes, path_effects=effects, **style)


def _letters(axes: Any, plane: Plane) -> None:
    places = ((0.02, 0.5, "left", "center"), (0.98, 0.5, "right", "center"))
    places += ((0.5, 0.985, "center", "top"), (0.5, 0.015, "center", "bottom"))
    for letter, (x, y, ha, va) in zip(plane.letters, places, strict=True):
        _outlined(axes, x, y, letter, ha=ha, va=va, color="#ffd866", fontsize=8, fontweight="bold")


def _scale_bar(axes: Any, width_mm: float) -> None:
    length = next((mm for mm in _BAR_CHOICES_MM if mm <= 0.3 * width_mm), _BAR_CHOICES_MM[-1])
    ends = [0.97 - length / width_mm, 0.97]
    for color, width in (("black", 2.8), ("white", 1.6)):
        axes.plot(ends, [0.035, 0.035], transform=axes.transAxes, color=color, lw=width, solid_capstyle="butt")
    _outlined(axes, sum(ends) / 2, 0.045, f"{length} mm", ha="center", va="bottom", color="white", fontsize=6)


def plane_text(plane: Plane, volume: Volume) -> str:
    """Direction, position in the patient and number of a slice, for a panel's caption."""
    axis = {"axial": "S", "coronal": "P", "sagittal": "L"}[plane.name]
    count = volume.grid.shape[plane.across]
    position = f"{plane.position_mm:+.1f}".replace("-", "\N{MINUS SIGN}")
    parts = (plane.name.capitalize(), f"{axis} {position} mm", f"slice {plane.index + 1} of {count}")
    return "  \N{MIDDLE DOT}  ".join(parts)


def shown_names(structures: StructureSet, planes: list[Plane]) -> list[str]:
    """Names of the structures that at least one of the planes shows."""
    return [
        s.name
        for s in structures
        if not s.mask.is_empty and any(plane.cut_mask(s.mask) is not None for plane in planes)
    ]
