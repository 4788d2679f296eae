"""Draw Dose3D.png, the extension's icon: a head in profile, filled with small cells coloured by dose.

python tools/draw_icon.py [--size 128]
"""

from __future__ import annotations

import argparse
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

OUTLINE = [
    (0.47, 0.97), (0.30, 0.94), (0.16, 0.83), (0.11, 0.66), (0.13, 0.50), (0.19, 0.38), (0.19, 0.24), (0.12, 0.10),
    (0.13, 0.03), (0.68, 0.03), (0.66, 0.13), (0.70, 0.19), (0.80, 0.18), (0.86, 0.22), (0.86, 0.30), (0.88, 0.34),
    (0.86, 0.38), (0.89, 0.42), (0.93, 0.45), (0.92, 0.49), (0.86, 0.58), (0.86, 0.68), (0.80, 0.85), (0.66, 0.95),
]  # fmt: skip
"""Profile of a head looking right, in units of the picture, y up."""

HIGH_DOSE, LOW_DOSE = (0.58, 0.40), (0.45, 0.55)
"""Centres of the target and of the fall-off."""

CELL, DEPTH = 0.082, 0.026


def smooth_outline(points_per_side: int = 12):
    """The outline as a closed Catmull-Rom curve: array [n, 2]."""
    import numpy as np

    p = np.array(OUTLINE)
    t = np.linspace(0, 1, points_per_side, endpoint=False)[:, None]
    a, b, c, d = (np.roll(p, shift, axis=0)[:, None, :] for shift in (1, 0, -1, -2))
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return curve.reshape(-1, 2)


def dose(x: float, y: float) -> float:
    """A made-up dose, 0..1: one plateau with a slope."""
    import math

    near = math.hypot((x - HIGH_DOSE[0]) / 0.17, (y - HIGH_DOSE[1]) / 0.125)
    wide = math.hypot((x - LOW_DOSE[0]) / 0.34, (y - LOW_DOSE[1]) / 0.40)
    return min(1.0, 1 / (1 + math.exp(4 * (near - 1.25))) + 0.24 * math.exp(-(wide**2)))


def draw_cell(axes, x: float, y: float, color) -> None:
    """One cube in parallel projection: front, top, right side."""
    import matplotlib.colors as colors
    from matplotlib.patches import Polygon

    s, d = CELL * 0.86, DEPTH
    r, g, b = colors.to_rgb(color)
    light = tuple(c + (1 - c) * 0.45 for c in (r, g, b))
    dark = tuple(c * 0.66 for c in (r, g, b))
    x, y = x - s / 2, y - s / 2
    faces = [
        ([(x, y + s), (x + d, y + s + d), (x + s + d, y + s + d), (x + s, y + s)], light),
        ([(x + s, y), (x + s + d, y + d), (x + s + d, y + s + d), (x + s, y + s)], dark),
        ([(x, y), (x + s, y), (x + s, y + s), (x, y + s)], (r, g, b)),
    ]
    for corners, face in faces:
        axes.add_patch(Polygon(corners, closed=True, facecolor=face, edgecolor="#22303b", linewidth=0.35))


def draw(path: Path, size: int) -> None:
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.path import Path as Curve

    figure = Figure(figsize=(size / 100, size / 100), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.axis("off")
    outline = smooth_outline()
    axes.fill(*outline.T, facecolor="#eef2f5", edgecolor="#33434f", linewidth=size / 58, joinstyle="round", zorder=0)
    inside = Curve(outline)
    steps = range(int(1 / CELL) + 1)
    for y in (0.098 + CELL * k for k in reversed(steps)):
        for x in (0.038 + CELL * i for i in steps):
            corners = [(x + dx, y + dy) for dx in (-0.052, 0.066) for dy in (-0.052, 0.066)]
            if inside.contains_points(corners).all():
                draw_cell(axes, x, y, colormaps["turbo"](0.10 + 0.82 * dose(x, y)))
    figure.savefig(path, dpi=100, transparent=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=128, help="pixels (128 is what Slicer's catalogue wants)")
    parser.add_argument("--output", type=Path, default=ROOT / "Dose3D.png")
    arguments = parser.parse_args()
    draw(arguments.output, arguments.size)


if __name__ == "__main__":
    main()
