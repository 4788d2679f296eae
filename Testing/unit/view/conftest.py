"""A viewer that draws into memory, where this machine can draw."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from Dose3DLib.core.errors import ResourceError

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "builders"))


@pytest.fixture(scope="session")
def can_draw():
    """Skips where trame-slicer is not installed or OpenGL is missing."""
    pytest.importorskip("trame_slicer", reason='needs trame-slicer (pip install "dose3d[view]")')
    from Dose3DLib.view.probe import drawing_probe, prefer_off_screen, wait_for_probe

    prefer_off_screen()
    with drawing_probe() as probe:
        try:
            wait_for_probe(probe)
        except ResourceError as error:
            pytest.skip(str(error))


@pytest.fixture
def open_viewer(can_draw, tmp_path):
    """Open a scene file in a viewer whose views are 240 x 200 pixels; VTK's messages go where they went afterwards."""
    from Dose3DLib.view.source import unpack_scene
    from Dose3DLib.view.viewer import Viewer, off_screen_factories
    from vtkmodules.vtkCommonCore import vtkCommand, vtkOutputWindow

    before = vtkOutputWindow.GetInstance()

    def open_scene(path: Path) -> Viewer:
        room = tmp_path / "unpacked"
        room.mkdir()
        viewer = Viewer(off_screen_factories)
        viewer.open(unpack_scene(path, room), path)
        for view in viewer.views.values():
            view.interactor().UpdateSize(240, 200)
            view.interactor().InvokeEvent(vtkCommand.WindowResizeEvent)
        return viewer

    yield open_scene
    vtkOutputWindow.SetInstance(before)


@pytest.fixture
def grab():
    """The pixels of a view, (rows, columns, 3)."""

    def pixels(view):
        from vtkmodules.util.numpy_support import vtk_to_numpy
        from vtkmodules.vtkRenderingCore import vtkWindowToImageFilter

        view.render_window().Render()
        image = vtkWindowToImageFilter()
        image.SetInput(view.render_window())
        image.ReadFrontBufferOff()
        image.Update()
        columns, rows, _ = image.GetOutput().GetDimensions()
        return vtk_to_numpy(image.GetOutput().GetPointData().GetScalars()).reshape(rows, columns, -1)[::-1].astype(int)

    return pixels
