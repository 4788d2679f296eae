"""FloatRange: a pair of numbers as one member."""

from __future__ import annotations

from .validators import IsInstance

__all__ = ["FloatRange", "RangeText"]


class FloatRange:
    """Lower and upper bound, in this order."""

    @staticmethod
    def checkRange(minimum, maximum) -> None:
        if minimum > maximum:
            raise ValueError(f"The minimum {minimum} is greater than the maximum {maximum}")

    def __init__(self, minimum=0, maximum=0):
        self.setRange(minimum, maximum)

    def setRange(self, minimum, maximum) -> None:
        self.checkRange(minimum, maximum)
        self._minimum, self._maximum = minimum, maximum

    @property
    def minimum(self) -> float:
        return self._minimum

    @minimum.setter
    def minimum(self, value: float) -> None:
        self.setRange(value, self._maximum)

    @property
    def maximum(self) -> float:
        return self._maximum

    @maximum.setter
    def maximum(self, value: float) -> None:
        self.setRange(self._minimum, value)

    def __eq__(self, other) -> bool:
        same = isinstance(other, FloatRange)
        return same and (self._minimum, self._maximum) == (other._minimum, other._maximum)

    __hash__ = None

    def __repr__(self) -> str:
        return f"FloatRange(_minimum={self._minimum}, _maximum={self._maximum})"


class ObservedRange(FloatRange):
    """A range that writes itself back when it is changed."""

    _save = None

    def setRange(self, minimum, maximum) -> None:
        super().setRange(minimum, maximum)
        if self._save is not None:
            self._save(FloatRange(minimum, maximum))

    def __repr__(self) -> str:
        return f"Observed({super().__repr__()})"


class RangeText:
    """`name._minimum` and `name._maximum`."""

    def default(self):
        return FloatRange()

    def check(self, value) -> None:
        IsInstance(FloatRange).validate(value)

    def isIn(self, node, name: str) -> bool:
        return node.HasParameter(f"{name}._minimum")

    def write(self, node, name: str, value) -> None:
        self.check(value)
        node.SetParameter(f"{name}._minimum", str(value.minimum))
        node.SetParameter(f"{name}._maximum", str(value.maximum))

    def read(self, node, name: str):
        bounds = [float(node.GetParameter(f"{name}.{part}")) for part in ("_minimum", "_maximum")]
        found = ObservedRange(*bounds)
        found._save = lambda new: self.write(node, name, new)
        return found
