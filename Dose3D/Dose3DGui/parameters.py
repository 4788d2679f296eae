"""The typed parameters of a section, also of a scene that another version saved."""

from __future__ import annotations

import logging

__all__ = ["openParameters"]


def openParameters(parametersClass, node):
    """The node's parameters as `parametersClass`; a stored text that it cannot read or allow becomes the default.

    A value that is gone (a choice of another version) would else raise whenever the page is opened, and the page could
    not be used in that scene. What was given up is said in the log.
    """
    try:
        return _checked(parametersClass, node)
    except Exception:  # the wrapper raises all kinds on texts that it cannot read
        modifying = node.StartModify()
        try:
            return _withoutOddTexts(parametersClass, node)
        finally:
            node.EndModify(modifying)


def _checked(parametersClass, node):
    """Reading checks types, only writing checks choices and ranges; writing what is there changes nothing."""
    parameters = parametersClass(node)
    members = [name for name, value in vars(type(parameters)).items() if isinstance(value, property) and value.fset]
    for name in members:
        setattr(parameters, name, getattr(parameters, name))
    return parameters


def _withoutOddTexts(parametersClass, node):
    stored = {name: node.GetParameter(name) for name in node.GetParameterNames()}
    for name in stored:
        node.UnsetParameter(name)
    for name, text in stored.items():
        node.SetParameter(name, text)
        try:
            _checked(parametersClass, node)
        except Exception as error:
            logging.warning("Dose3D: setting %s of this scene (%r) is not used: %s", name, text[:80], error)
            node.UnsetParameter(name)
    return _checked(parametersClass, node)
