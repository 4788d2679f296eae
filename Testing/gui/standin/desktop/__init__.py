"""The application of the stand-in: scene, logics, modules, views, window."""

from .application import Application, start

__all__ = ["Application", "start"]
