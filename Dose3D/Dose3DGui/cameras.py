"""Where the 3-D views look from."""

from __future__ import annotations

import slicer

__all__ = ["lookAlong"]


def lookAlong(node, offset: tuple[float, float, float], up: tuple[float, float, float]) -> None:
    """Have the 3-D views show all of a model from one side; nothing happens where it holds no point.

    Parameters
    ----------
    offset:
        from the model's middle to the camera, in RAS, in parts of the model's longest side.
    up:
        direction that is up in the view, RAS.
    """
    bounds = [0.0] * 6
    node.GetRASBounds(bounds)
    if bounds[0] > bounds[1]:
        return
    center = [(bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)]
    reach = max(bounds[2 * axis + 1] - bounds[2 * axis] for axis in range(3))
    for index in range(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLCameraNode")):
        camera = slicer.mrmlScene.GetNthNodeByClass(index, "vtkMRMLCameraNode")
        camera.SetFocalPoint(*center)
        camera.SetPosition(*(middle + part * reach for middle, part in zip(center, offset, strict=True)))
        camera.SetViewUp(*up)
        camera.ResetClippingRange()
