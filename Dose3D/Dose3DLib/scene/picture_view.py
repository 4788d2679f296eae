"""The window of Slicer's own 3-D view, through trame-slicer, for `picture_child`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .mrb import new_scene

__all__ = ["view_window"]


def view_window(job: dict[str, Any], actors: list[Any], aim: Callable[[Any], float]) -> Any:
    """A render window of Slicer's 3-D view with the actors' surfaces as models.

    Parameters
    ----------
    job:
        as `picture` writes it.
    actors:
        one for each of the job's parts: surface, place and look.
    aim:
        points a renderer's camera and returns height over width of the picture.

    Raises
    ------
    Exception
        of any kind, where trame-slicer or Slicer's core are missing or do not fit together.
    """
    from trame_slicer.views import NoScheduleRendering, ThreeDView

    _no_messages()
    application = _application()
    for part, actor in zip(job["parts"], actors, strict=True):
        _add_model(application.GetMRMLScene(), actor, part["hull"])
    view = ThreeDView(application.GetMRMLScene(), application, "Picture", NoScheduleRendering())
    view.set_background_gradient_color([255] * 3, [255] * 3)
    view.set_box_visible(False)
    view.renderer().SetUseFXAA(1)
    window = view.render_window()
    window.SetMultiSamples(0)  # with samples and depth peeling together, translucent surfaces are not drawn at all
    window.SetSize(job["pixels"], max(1, round(job["pixels"] * aim(view.renderer()))))
    window.Render()
    window.view = view  # the window alone would not keep the view and its scene alive
    return window


def _no_messages() -> None:
    """What VTK complains of on the way is no reason for us: a picture that is blank is."""
    from vtkmodules.vtkCommonCore import vtkLogger, vtkOutputWindow, vtkStringOutputWindow

    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)
    vtkOutputWindow.SetInstance(vtkStringOutputWindow())


def _application() -> Any:
    """A scene with what views look for: lists of their logics, a crosshair, a mode of the mouse."""
    import slicer
    from vtkmodules.vtkCommonCore import vtkCollection

    application = new_scene()
    application.SetSliceLogics(vtkCollection())
    application.SetViewLogics(vtkCollection())
    crosshair = slicer.vtkMRMLCrosshairNode()
    crosshair.SetCrosshairName("default")
    application.GetMRMLScene().AddNode(crosshair)
    application.GetMRMLScene().AddNode(slicer.vtkMRMLInteractionNode())
    return application


def _add_model(scene: Any, actor: Any, is_hull: bool) -> None:
    from vtkmodules.vtkCommonTransforms import vtkTransform
    from vtkmodules.vtkFiltersGeneral import vtkTransformPolyDataFilter

    place = vtkTransform()
    place.SetMatrix(actor.GetUserMatrix())
    placed = vtkTransformPolyDataFilter()
    placed.SetTransform(place)
    placed.SetInputData(actor.GetMapper().GetInput())
    placed.Update()
    model = scene.AddNewNodeByClass("vtkMRMLModelNode")
    model.SetAndObservePolyData(placed.GetOutput())
    model.CreateDefaultDisplayNodes()
    look, display = actor.GetProperty(), model.GetDisplayNode()
    display.SetScalarVisibility(0)
    display.SetColor(*look.GetColor())
    display.SetOpacity(look.GetOpacity())
    display.SetAmbient(look.GetAmbient())
    display.SetDiffuse(look.GetDiffuse())
    display.SetSpecular(look.GetSpecular())
    display.SetBackfaceCulling(is_hull)
