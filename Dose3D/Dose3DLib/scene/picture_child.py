"""The child process of `picture`: reads a job, draws off screen, writes a PNG. Exit code 0 means drawn."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from .picture_view import view_window

__all__ = ["main"]

_SMOOTHING_ROUNDS = 15
_PASS_BAND = 0.08
_HULL_PASS_BAND = 0.02
_HULL_OPACITY = 0.12
_MARGIN_MM = 45.0
_HULL_COLOR = (0.62, 0.68, 0.75)


def main(job_file: str) -> int:
    """Draw the job, in Slicer's own view where trame-slicer is installed; 1 when nothing could be drawn."""
    import vtkmodules.vtkRenderingOpenGL2  # noqa: F401  the drawing back end registers itself

    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    actors = [_actor(part, np.array(job["matrix"])) for part in job["parts"]]
    if find_spec("trame_slicer") is not None:
        try:
            return _save(
                view_window(job, actors, lambda renderer: _aim(renderer, *_frame(job["parts"], actors))), job["png"]
            )
        except Exception as error:  # versions that do not fit together: the plain picture shows the same
            sys.stderr.write(f"Slicer's view: {error}\n")
    return _save(_plain_window(job, actors), job["png"])


def _plain_window(job: dict[str, Any], actors: list[Any]) -> Any:
    from vtkmodules.vtkRenderingCore import vtkRenderer, vtkRenderWindow

    renderer = vtkRenderer()
    renderer.SetBackground(1.0, 1.0, 1.0)
    for actor in actors:
        renderer.AddActor(actor)
    _light(renderer)
    shape = _aim(renderer, *_frame(job["parts"], actors))
    window = vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetMultiSamples(0)
    window.SetSize(job["pixels"], max(1, round(job["pixels"] * shape)))
    window.AddRenderer(renderer)
    window.Render()
    return window


def _actor(part: dict[str, Any], matrix: np.ndarray) -> Any:
    from vtkmodules.vtkCommonMath import vtkMatrix4x4
    from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

    mapper = vtkPolyDataMapper()
    mapper.SetInputData(_surface(part))
    mapper.ScalarVisibilityOff()
    place = vtkMatrix4x4()
    place.DeepCopy([float(x) for x in matrix.ravel()])
    actor = vtkActor()
    actor.SetMapper(mapper)
    actor.SetUserMatrix(place)
    look = actor.GetProperty()
    look.SetColor(*(_HULL_COLOR if part["hull"] else part["color"]))
    look.SetOpacity(_HULL_OPACITY if part["hull"] else 1.0)
    look.SetAmbient(0.15)
    look.SetDiffuse(0.85)
    look.SetSpecular(0.0 if part["hull"] else 0.15)
    if part["hull"]:
        look.BackfaceCullingOn()
    return actor


def _surface(part: dict[str, Any]) -> Any:
    """Smoothed surface of a mask in (i, j, k) of its grid, as poly data."""
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersCore import vtkFlyingEdges3D, vtkPolyDataNormals, vtkWindowedSincPolyDataFilter

    block = np.pad(np.load(part["file"]), 1)
    step = part["step"]
    image = vtkImageData()
    image.SetDimensions(*block.shape[::-1])
    image.SetSpacing(step, step, 1.0)
    image.SetOrigin(*(o - s for o, s in zip(part["origin"], (step, step, 1.0), strict=True)))
    image.GetPointData().SetScalars(numpy_to_vtk(block.reshape(-1), deep=True))
    edges = vtkFlyingEdges3D()
    edges.SetInputData(image)
    edges.SetValue(0, 0.5)
    edges.ComputeNormalsOff()
    smooth = vtkWindowedSincPolyDataFilter()
    smooth.SetInputConnection(edges.GetOutputPort())
    smooth.SetNumberOfIterations(_SMOOTHING_ROUNDS)
    smooth.SetPassBand(_HULL_PASS_BAND if part["hull"] else _PASS_BAND)
    smooth.NormalizeCoordinatesOn()
    smooth.BoundarySmoothingOff()
    normals = vtkPolyDataNormals()
    normals.SetInputConnection(smooth.GetOutputPort())
    normals.SplittingOff()
    normals.AutoOrientNormalsOn()
    normals.Update()
    return normals.GetOutput()


def _light(renderer: Any) -> None:
    from vtkmodules.vtkRenderingCore import vtkLightKit

    kit = vtkLightKit()
    kit.SetKeyLightIntensity(0.95)
    kit.AddLightsToRenderer(renderer)
    renderer.SetUseDepthPeeling(1)
    renderer.SetMaximumNumberOfPeels(4)


def _axes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """RAS directions to the viewer, to the right and up: 35 degrees to the patient's left of the front, a little above.

    RAS: the patient's left is -x, front is +y.
    """
    angle = np.radians(35.0)
    toward = np.array([-np.sin(angle), np.cos(angle), 0.22])
    toward /= np.linalg.norm(toward)
    right = np.cross([0.0, 0.0, 1.0], toward)
    right /= np.linalg.norm(right)
    return toward, right, np.cross(toward, right)


def _frame(parts: list[dict[str, Any]], actors: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest (right, up, toward) millimetres to show: organs with a margin, not the whole shoulders."""
    basis = np.array([_axes()[1], _axes()[2], _axes()[0]])
    spans = {True: [], False: []}
    for part, actor in zip(parts, actors, strict=True):
        points = _points_ras(actor)
        if len(points):
            seen = points @ basis.T
            spans[part["hull"]].append((seen.min(axis=0), seen.max(axis=0)))
    everything = spans[True] + spans[False]
    low = np.min([a for a, _ in everything], axis=0)
    high = np.max([b for _, b in everything], axis=0)
    if spans[False] and spans[True]:
        low = np.maximum(low, np.min([a for a, _ in spans[False]], axis=0) - _MARGIN_MM)
        high = np.minimum(high, np.max([b for _, b in spans[False]], axis=0) + _MARGIN_MM)
    return low, high


def _points_ras(actor: Any) -> np.ndarray:
    from vtkmodules.util.numpy_support import vtk_to_numpy

    surface = actor.GetMapper().GetInput()
    if surface.GetNumberOfPoints() == 0:
        return np.zeros((0, 3))
    matrix = np.array([[actor.GetUserMatrix().GetElement(r, c) for c in range(4)] for r in range(3)])
    return vtk_to_numpy(surface.GetPoints().GetData()) @ matrix[:, :3].T + matrix[:, 3]


def _aim(renderer: Any, low: np.ndarray, high: np.ndarray) -> float:
    """Point a parallel camera at the frame; returns height over width of the picture."""
    toward, right, up = _axes()
    center = np.stack([right, up, toward], axis=1) @ ((low + high) / 2)
    wide, high_mm = (high - low)[:2] * 1.06
    shape = float(np.clip(high_mm / wide, 0.6, 1.5))
    camera = renderer.GetActiveCamera()
    camera.ParallelProjectionOn()
    camera.SetFocalPoint(*center)
    camera.SetPosition(*(center + toward * 1000.0))
    camera.SetViewUp(*up)
    camera.SetParallelScale(max(high_mm, wide * shape) / 2)
    renderer.ResetCameraClippingRange()
    return shape


def _save(window: Any, png: str) -> int:
    from vtkmodules.vtkIOImage import vtkPNGWriter
    from vtkmodules.vtkRenderingCore import vtkWindowToImageFilter

    grab = vtkWindowToImageFilter()
    grab.SetInput(window)
    grab.ReadFrontBufferOff()
    grab.Update()
    low, high = grab.GetOutput().GetScalarRange()
    if low == high:
        sys.stderr.write("the RenderWindow stayed blank\n")
        return 1
    writer = vtkPNGWriter()
    writer.SetFileName(png)
    writer.SetInputConnection(grab.GetOutputPort())
    writer.Write()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
