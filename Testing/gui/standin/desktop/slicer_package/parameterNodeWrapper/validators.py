"""Annotations of members: what values they allow, and their default."""

from __future__ import annotations

__all__ = [
    "Choice", "Decimals", "Default", "Exclude", "IsInstance", "Label", "Maximum", "Minimum", "NotNone", "RangeBounds",
    "SingleStep", "Validator", "WithinRange",
]  # fmt: skip


class Default:
    """The default of a member."""

    def __init__(self, value=None, *, generator=None):
        self._value, self.generator = value, generator

    @property
    def value(self):
        return self.generator() if self.generator else self._value


class Decimals:
    """Decimals of the widget."""

    def __init__(self, value: int):
        self.value = value


class SingleStep:
    """Step of the widget."""

    def __init__(self, value: float):
        self.value = value


class Label:
    """Label of a widget that is made for a member."""

    def __init__(self, label: str):
        self.label = label


class Validator:
    def validate(self, value) -> None:
        raise NotImplementedError


class NotNone(Validator):
    def validate(self, value) -> None:
        if value is None:
            raise ValueError("Value must not be None")


class IsInstance(Validator):
    def __init__(self, classtype):
        self.classtype = classtype

    def validate(self, value) -> None:
        if not isinstance(value, self.classtype):
            raise TypeError(f"Value must be of type '{self.classtype}', is type '{type(value)}' value '{value}'")


class WithinRange(Validator):
    def __init__(self, minimum, maximum):
        self.minimum, self.maximum = minimum, maximum

    def validate(self, value) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], is {value}")


class Minimum(Validator):
    def __init__(self, minimum):
        self.minimum = minimum

    def validate(self, value) -> None:
        if value < self.minimum:
            raise ValueError(f"Value must be greater than or equal to {self.minimum}, is {value}")


class Maximum(Validator):
    def __init__(self, maximum):
        self.maximum = maximum

    def validate(self, value) -> None:
        if value > self.maximum:
            raise ValueError(f"Value must be less than or equal to {self.maximum}, is {value}")


class Choice(Validator):
    def __init__(self, choices):
        self.choices = choices

    def validate(self, value) -> None:
        if value not in self.choices:
            raise ValueError(f"Value is {value}, but must be in one of the following: {self.choices}")


class Exclude(Validator):
    def __init__(self, excludedValues):
        self.excludedValues = excludedValues

    def validate(self, value) -> None:
        if value in self.excludedValues:
            raise ValueError(f"Value is {value}, but must not be in the following: {self.excludedValues}")


class RangeBounds(Validator):
    def __init__(self, minimum, maximum):
        self.minimum, self.maximum = minimum, maximum

    def validate(self, value) -> None:
        if value.minimum < self.minimum or value.maximum > self.maximum:
            bounds = f"[{self.minimum}, {self.maximum}]"
            raise ValueError(f"Range must be within the bound of {bounds}, is [{value.minimum:g}, {value.maximum:g}]")
