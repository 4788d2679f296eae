"""The live curve of a run: CSV that grows line by line, and a PNG drawn from it."""

from __future__ import annotations

import csv
from pathlib import Path

__all__ = ["Curve"]


class Curve:
    """Rows of (step, seconds, name, value) in `curve.csv`; `draw` makes `curve.png` beside it.

    Reopened by a resumed run: rows after the checkpoint's step are dropped, since they are trained again.
    """

    def __init__(self, folder: Path, resume_step: int = 0):
        self.path = folder / "curve.csv"
        self.rows: list[tuple[int, float, str, float]] = []
        if resume_step and self.path.exists():
            self.rows = [row for row in _read(self.path) if row[0] <= resume_step]
        self._rewrite()

    def add(self, step: int, seconds: float, values: dict[str, float]) -> None:
        """Append one value a name."""
        new = [(step, round(seconds, 1), name, float(value)) for name, value in values.items()]
        self.rows += new
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(new)

    def draw(self) -> Path:
        """Draw all names over the step, each in a panel of its own; returns the PNG."""
        from matplotlib.figure import Figure

        names = list(dict.fromkeys(row[2] for row in self.rows))
        figure = Figure(figsize=(6, 2.2 * max(len(names), 1)), layout="constrained")
        for number, name in enumerate(names):
            axes = figure.add_subplot(len(names), 1, number + 1)
            points = [(row[0], row[3]) for row in self.rows if row[2] == name]
            axes.plot(*zip(*points, strict=True), marker="." if len(points) < 50 else "", linewidth=1)
            axes.set_ylabel(name)
            axes.grid(alpha=0.3)
            if number == len(names) - 1:
                axes.set_xlabel("step")
        picture = self.path.with_suffix(".png")
        figure.savefig(picture, dpi=110)
        return picture

    def _rewrite(self) -> None:
        with self.path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("step", "seconds", "name", "value"))
            writer.writerows(self.rows)


def _read(path: Path) -> list[tuple[int, float, str, float]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    return [(int(r[0]), float(r[1]), r[2], float(r[3])) for r in rows if len(r) == 4]
