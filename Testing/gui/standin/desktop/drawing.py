"""Slicer's own slice and 3-D views, drawn off screen when somebody asks for the picture."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import lru_cache

ORIENTATIONS = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}
THREE_D = "1"
COLOURS = {"Red": (0.952, 0.290, 0.200), "Green": (0.427, 0.690, 0.294), "Yellow": (0.929, 0.835, 0.298)}


@lru_cache(maxsize=1)
def drawing_problem() -> str:
    """Why this machine cannot draw, or an empty text. Asked before VTK opens a render window, which may abort."""
    if sys.platform != "linux":
        return ""
    for library in ("libEGL.so.1", "libGL.so.1"):
        try:
            ctypes.CDLL(library)
        except OSError:
            return f"no pictures of the views: {library} is missing (sudo apt install libgl1 libegl1)"
    os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
    return ""


class SlicePlane:
    """A slice view: its logic with the nodes, and the drawing where the machine can draw."""

    def __init__(self, core, name: str, changed):
        import slicer

        self.name = name
        self.view = _quietly(lambda: _slice_view(core, name, changed)) if not drawing_problem() else None
        if self.view is not None:
            self.logic = self.view._logic  # the view has no other way to it
        else:
            self.logic = slicer.vtkMRMLSliceLogic()
            self.logic.SetMRMLApplicationLogic(core.logic)
            core.logic.GetSliceLogics().AddItem(self.logic)
            self.logic.SetMRMLScene(core.scene)
            self.logic.AddSliceNode(name).SetOrientation(ORIENTATIONS[name])
        self.node.SetLayoutLabel(name[0])
        self.node.SetLayoutColor(*COLOURS[name])
        self.logic.AddObserver("ModifiedEvent", lambda *_: changed())

    @property
    def node(self):
        return self.logic.GetSliceNode()

    def picture(self, width: int, height: int):
        """Rows from the top, columns, RGB."""
        self.logic.ResizeSliceNode(width, height)
        return _picture(self.view, width, height)


class ThreeD:
    """The 3-D view."""

    def __init__(self, core, changed):
        import slicer

        self.view = _quietly(lambda: _three_d_view(core, changed)) if not drawing_problem() else None
        if self.view is not None:
            self.logic = self.view._logic
        else:
            self.logic = slicer.vtkMRMLViewLogic()
            self.logic.SetMRMLApplicationLogic(core.logic)
            core.logic.GetViewLogics().AddItem(self.logic)
            self.logic.SetMRMLScene(core.scene)
            self._node = self.logic.AddViewNode(THREE_D)

    @property
    def node(self):
        return self.view.get_view_node() if self.view is not None else self._node

    def reset(self) -> None:
        if self.view is not None:
            self.view.fit_view_to_content()

    def picture(self, width: int, height: int):
        return _picture(self.view, width, height)


def _strategy(changed):
    from trame_slicer.views.render_scheduler import ScheduledRenderStrategy

    class OnRequest(ScheduledRenderStrategy):
        """A change of the scene only marks the picture as old."""

        def schedule_render(self):
            changed()

    return OnRequest()


def _slice_view(core, name: str, changed):
    from trame_slicer.views import SliceView, ViewProps

    view = SliceView(core.scene, core.logic, name, scheduled_render_strategy=_strategy(changed))
    view.set_view_properties(ViewProps(orientation=ORIENTATIONS[name]))
    view.render_window().SetMultiSamples(0)
    return view


def _three_d_view(core, changed):
    from trame_slicer.views import ThreeDView

    view = ThreeDView(core.scene, core.logic, THREE_D, scheduled_render_strategy=_strategy(changed))
    view.render_window().SetMultiSamples(0)  # with them translucent surfaces stay invisible on a software renderer
    return view


def _quietly(make):
    """VTK warns about events of its own classes that trame-slicer observes."""
    import vtk

    before = vtk.vtkObject.GetGlobalWarningDisplay()
    vtk.vtkObject.GlobalWarningDisplayOff()
    try:
        return make()
    finally:
        vtk.vtkObject.SetGlobalWarningDisplay(before)


def _picture(view, width: int, height: int):
    import numpy as np
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    window = view.render_window()
    window.SetSize(width, height)
    window.Render()
    grab = vtk.vtkWindowToImageFilter()
    grab.SetInput(window)
    grab.ReadFrontBufferOff()
    grab.ShouldRerenderOff()
    grab.Update()
    image = grab.GetOutput()
    columns, rows, _ = image.GetDimensions()
    values = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, -1)
    return np.ascontiguousarray(values[::-1, :, :3])
