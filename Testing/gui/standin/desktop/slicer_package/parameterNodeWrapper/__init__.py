"""Typed parameters in the scene, connected to widgets: the part of Slicer's wrapper that the modules use.

Texts, defaults, checks and widgets follow the facts of the real one. Parameter packs are not there.
"""

from standin.pythonqt import StandInGap

from .ranges import FloatRange
from .validators import (
    Choice,
    Decimals,
    Default,
    Exclude,
    IsInstance,
    Label,
    Maximum,
    Minimum,
    NotNone,
    RangeBounds,
    SingleStep,
    Validator,
    WithinRange,
)
from .wrapper import SlicerParameterNamePropertyName, parameterNodeWrapper


def parameterPack(classtype=None):
    raise StandInGap("parameterPack")


def createGui(datatype):
    raise StandInGap("createGui")


__all__ = [
    "Choice",
    "Decimals",
    "Default",
    "Exclude",
    "FloatRange",
    "IsInstance",
    "Label",
    "Maximum",
    "Minimum",
    "NotNone",
    "RangeBounds",
    "SingleStep",
    "SlicerParameterNamePropertyName",
    "Validator",
    "WithinRange",
    "createGui",
    "parameterNodeWrapper",
    "parameterPack",
]
