"""What a slice view shows stays what it shows when the window changes its size."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["SliceField", "slice_axes"]

_MARGIN = 1.08


def slice_axes(view: Any) -> np.ndarray:
    """Rows: the RAS directions to the right of a slice view's picture, up, and towards the viewer."""
    matrix = view.get_view_node().GetSliceToRAS()
    return np.array([[matrix.GetElement(row, column) for row in range(3)] for column in range(3)])


class SliceField:
    """The part of a slice that its view is to hold, in millimetres across and down.

    Slicer keeps the height of the field when a view is resized, which crops a picture in a narrow view. Here the part
    last aimed at fits again, magnified as the user has zoomed since.
    """

    def __init__(self, view: Any):
        from vtkmodules.vtkCommonCore import vtkCommand

        self._wanted: np.ndarray | None = None
        self._mm_per_pixel = 1.0
        # The view's own observer, which tells its node the new size, comes between these two.
        view.interactor().AddObserver(vtkCommand.WindowResizeEvent, lambda *_: self._note_zoom(view), 1.0)
        view.interactor().AddObserver(vtkCommand.WindowResizeEvent, lambda *_: self._fit(view), -1.0)

    def aim(self, view: Any, box: tuple[np.ndarray, np.ndarray], middle: np.ndarray) -> None:
        """Centre the view on a box (lowest and highest RAS millimetres), in the slice of the image nearest `middle`."""
        node = view.get_view_node()
        axes = slice_axes(view)
        center, size = (box[0] + box[1]) / 2, box[1] - box[0]
        node.JumpSliceByCentering(*(center + axes[2] * (axes[2] @ (middle - center))))
        first, step = view.get_slice_range()[0], view.get_slice_step()
        view.set_slice_value(first + round((view.get_slice_value() - first) / step) * step)
        self._wanted = np.maximum(_MARGIN * np.abs(axes[:2]) @ size, 1.0)
        self._fit(view)

    def _note_zoom(self, view: Any) -> None:
        node = view.get_view_node()
        if self._wanted is not None:
            self._wanted = self._wanted * (node.GetFieldOfView()[0] / node.GetDimensions()[0] / self._mm_per_pixel)

    def _fit(self, view: Any) -> None:
        node = view.get_view_node()
        size = np.array(node.GetDimensions()[:2])
        if self._wanted is not None:
            self._mm_per_pixel = float(max(self._wanted / size))
            node.SetFieldOfView(*(self._mm_per_pixel * size), node.GetFieldOfView()[2])
