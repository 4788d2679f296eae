"""`write_scene`: CT and structures as a Slicer scene file, made outside Slicer with its real MRML classes."""

from __future__ import annotations

import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ..core.errors import OutputError, ResourceError
from ..geometry.grid import LPS_TO_RAS, Grid, Volume
from ..geometry.structure import Structure, StructureSet
from .nodes import ScenePatient, add_patient, add_segmentation, add_volume, show_volume

__all__ = ["ScenePatient", "add_views", "new_scene", "read_scene", "save_scene", "store_as", "write_scene"]

Box = tuple[np.ndarray, np.ndarray]
"""Lowest and highest RAS millimetres."""

_VIEW_PIXELS = 400
"""Assumed size of a view; Slicer keeps the millimetres per pixel when it fits its own views."""


def write_scene(path: Path, volume: Volume, structures: StructureSet, patient: ScenePatient) -> None:
    """Write a .mrb that Slicer shows at once: CT, segmentation, patient and study, three slice views and a 3-D view.

    Parameters
    ----------
    path:
        ends in .mrb; replaced when it exists.
    volume, structures:
        on the same grid.

    Raises
    ------
    ResourceError
        slicer-core is not installed (there is no wheel for this platform).
    OutputError
        the scene could not be written.
    """
    path = Path(path)
    application = new_scene()
    scene = application.GetMRMLScene()
    name = patient.series_description or "CT"
    image = add_volume(scene, volume, name)
    segmentation = add_segmentation(scene, structures, "Structures", image)
    add_patient(scene, patient, [image, segmentation])
    body = _box_ras(structures.grid, list(structures))
    organs = _box_ras(structures.grid, [s for s in structures if s.interpreted_type != "EXTERNAL"])
    add_views(scene, body, organs)
    show_volume(scene, image)
    _ask_for_surfaces(segmentation)
    store_as(image, "CT.nrrd")
    store_as(segmentation, "Structures.seg.nrrd")
    save_scene(scene, path)


def new_scene() -> Any:
    """An application logic that holds a new, empty scene with colours; raises ResourceError without slicer-core."""
    slicer = _slicer()
    scene = slicer.vtkMRMLScene()
    application = slicer.vtkSlicerApplicationLogic()
    # The library calls itself "slicer-core 4.0.0", a foreign program to Slicer; what it writes is the form of Slicer 5.
    scene.SetVersion("Slicer 5.0.0 0")
    application.SetMRMLScene(scene)
    # Slicer's module Colors brings this class into its scenes; without it a scene loses its colour legends here.
    scene.RegisterNodeClass(slicer.vtkMRMLColorLegendDisplayNode())
    # The plain colour logic: Slicer's own also wants colour files of an installed Slicer and complains without them.
    colors = slicer.vtkMRMLColorLogic()
    application.SetModuleLogic("Colors", colors)
    colors.SetMRMLApplicationLogic(application)
    colors.SetMRMLScene(scene)
    return application


def read_scene(path: Path, cache: Path) -> Any:
    """The application logic with a scene read from a .mrb; `cache` is an empty folder for unpacking.

    Raises
    ------
    OutputError
        Slicer's reader refuses the file.
    """
    slicer = _slicer()
    application = new_scene()
    scene = application.GetMRMLScene()
    # Without a data manager and a cache folder ReadFromMRB returns False and says nothing.
    remote = slicer.vtkMRMLRemoteIOLogic()
    remote.GetCacheManager().SetRemoteCacheDirectory(str(cache))
    remote.SetMRMLApplicationLogic(application)
    remote.SetMRMLScene(scene)
    remote.AddDataIOToScene()
    if not scene.ReadFromMRB(str(path), True):
        raise OutputError(path, "Slicer cannot read this scene", "report this as a fault of Dose3D")
    remote.RemoveDataIOFromScene()
    return application


def _slicer() -> Any:
    try:
        import slicer
    except ImportError as error:
        raise ResourceError(
            "scene.mrb",
            f"slicer-core cannot be loaded ({error})",
            "install slicer-core where it has a wheel (Linux x86_64, Windows, macOS arm64; Python 3.10 to 3.13)",
        ) from error
    return slicer


def add_views(scene: Any, whole: Box, inner: Box) -> None:
    """Four-up layout; slice views that hold `whole` and cut through the middle of `inner`; a 3-D view of `inner`."""
    import slicer

    layouts = slicer.vtkMRMLLayoutLogic()
    layouts.SetMRMLScene(scene)
    layouts.GetLayoutNode().SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    (low, high), (inner_low, inner_high) = whole, inner
    for name, orientation, across in (("Red", "Axial", 2), ("Yellow", "Sagittal", 0), ("Green", "Coronal", 1)):
        center = (low + high) / 2
        center[across] = (inner_low[across] + inner_high[across]) / 2
        _add_slice_view(scene, name, orientation, center, float(np.delete(high - low, across).max()))
    _add_3d_view(scene, (inner_low + inner_high) / 2, float(np.linalg.norm(inner_high - inner_low)))


def _box_ras(grid: Grid, structures: list[Structure]) -> Box:
    """Lowest and highest RAS millimetres of some structures, of the whole grid when none has a voxel."""
    grids = [grid.crop(s.mask.offset, s.mask.block.shape) for s in structures if not s.mask.is_empty] or [grid]
    corners = np.concatenate([g.corners_mm() for g in grids]) @ LPS_TO_RAS[:3, :3]
    return corners.min(axis=0), corners.max(axis=0)


def _add_slice_view(scene: Any, name: str, orientation: str, center_ras: np.ndarray, width_mm: float) -> None:
    composite = _singleton(scene, "vtkMRMLSliceCompositeNode", name)
    composite.SetLayoutName(name)
    view = _singleton(scene, "vtkMRMLSliceNode", name)
    view.SetLayoutName(name)
    view.SetLayoutLabel(name[0])
    getattr(view, f"SetOrientationTo{orientation}")()
    view.SetDimensions(_VIEW_PIXELS, _VIEW_PIXELS, 1)
    width_mm = 1.1 * max(width_mm, 1.0)
    view.SetFieldOfView(width_mm, width_mm, 1.0)
    view.JumpSliceByCentering(*center_ras)


def _add_3d_view(scene: Any, center_ras: np.ndarray, diagonal_mm: float) -> None:
    """A 3-D view whose camera looks at the image from the front: Slicer's own starts at the origin, maybe far away."""
    view = _singleton(scene, "vtkMRMLViewNode", "1")
    view.SetLayoutName("1")
    view.SetLayoutLabel("1")
    camera = _singleton(scene, "vtkMRMLCameraNode", "1")
    camera.SetLayoutName("1")
    camera.SetFocalPoint(*center_ras)
    camera.SetPosition(*(center_ras + [0.0, 2.4 * max(diagonal_mm, 1.0), 0.0]))
    camera.SetViewUp(0.0, 0.0, 1.0)


def _singleton(scene: Any, class_name: str, tag: str) -> Any:
    """The scene's node of this class and singleton tag: Slicer merges it with its own when it opens the scene."""
    node = scene.GetSingletonNode(tag, class_name)
    if node is None:
        node = scene.CreateNodeByClass(class_name)
        node.UnRegister(None)
        node.SetSingletonTag(tag)
        node = scene.AddNode(node)
    return node


def _ask_for_surfaces(segmentation: Any) -> None:
    """Have Slicer make the closed surfaces when it opens the scene, for its 3-D view.

    The file never holds them, only the list of the representations that its reader is to make, so an empty stand-in in
    each segment is enough here; making the real ones would take a second for a body of 512 x 512 x 60.
    """
    import slicer
    import vtk

    surface = slicer.vtkSegmentationConverter.GetClosedSurfaceRepresentationName()
    segments = segmentation.GetSegmentation()
    for index in range(segments.GetNumberOfSegments()):
        segments.GetNthSegment(index).AddRepresentation(surface, vtk.vtkPolyData())


def store_as(node: Any, file_name: str) -> None:
    """Plain file name (a node's own may be non-ASCII) and fastest gzip: strong levels take ten times longer."""
    node.AddDefaultStorageNode()
    storage = node.GetStorageNode()
    storage.SetFileName(file_name)
    # A bundle's writer keeps the stem, and takes the kind of file from here.
    storage.SetDefaultWriteFileExtension(file_name.partition(".")[2])
    storage.SetUseCompression(1)
    storage.SetCompressionParameter("gzip_fastest")


def save_scene(scene: Any, path: Path) -> None:
    """Save the bundle's folder and zip it without a second compression, which would only cost time."""
    # Slicer's own writer refuses a folder that is not a full path.
    with TemporaryDirectory(dir=path.parent.resolve(), prefix=".scene.") as room:
        folder = Path(room) / path.stem
        folder.mkdir()
        if not scene.SaveSceneToSlicerDataBundleDirectory(str(folder), None):
            raise OutputError(path, "the scene could not be written", "free some space or choose another output")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as bundle:
            for file in sorted(folder.rglob("*")):
                bundle.write(file, file.relative_to(room).as_posix())
