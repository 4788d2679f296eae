"""A scene and Slicer's views of it: what can be shown, switched and moved, without a word about the page.

The views are made before the scene is read: views that come later miss what the reading announces, and show no segment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import InputError
from .overlay import Overlay, looks_like_dose
from .slice_field import SliceField, slice_axes

__all__ = ["SLICE_VIEWS", "THREE_D", "VIEWS", "Surface", "Viewer", "off_screen_factories"]

SLICE_VIEWS = {"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}
"""Slicer's names of its slice views, which are also those of a scene's nodes, and their orientations."""
THREE_D = "ThreeD"  # names of views become names in the page, which cannot begin with a digit
VIEWS = (*SLICE_VIEWS, THREE_D)

_HULL_OPACITY = 0.5
"""A segment more translucent than this is a hull around what matters: the 3-D camera looks at the others."""
_CLOSED = "Closed surface"
_STRAIGHT = 0.9999
"""Cosine of the angle to a patient axis from which on a slice counts as oblique."""


@dataclass(frozen=True)
class Surface:
    """One segment or model: `key` finds it again, `color` is 0 to 255; an empty one is an organ that was not found."""

    key: str
    name: str
    color: tuple[int, int, int]
    is_shown: bool
    is_empty: bool = False


def off_screen_factories() -> list[Any]:
    """Factories of views that draw into memory, for pictures; for the constructor of `Viewer`."""
    from trame_slicer.views import DirectViewFactory

    return [DirectViewFactory(do_render_offscreen=True)]


class Viewer:
    """Slicer's scene with an axial, a sagittal, a coronal and a 3-D view.

    Parameters
    ----------
    factories:
        gives the trame-slicer view factories (`off_screen_factories`, or those of a page).
    """

    def __init__(self, factories: Callable[[], list[Any]]):
        from slicer import vtkMRMLColorLegendDisplayNode
        from trame_slicer.core import SlicerApp

        _silence()
        self.application = SlicerApp()
        self.messages = _collect_messages()
        self.scene = self.application.scene
        self.is_complete = True
        _register_more(self.scene)
        # Slicer's module Colors makes this class known; a scene with a legend of an unknown class counts as damaged.
        self.scene.RegisterNodeClass(vtkMRMLColorLegendDisplayNode())
        for factory in factories():
            self.application.view_manager.register_factory(factory)
        self.views = {name: self._make_view(name) for name in VIEWS}
        self._fields = {name: SliceField(self.views[name]) for name in SLICE_VIEWS}
        self.overlay: Overlay | None = None
        self._opacity = 1.0
        self._shares: dict[str, float] = {}
        self._middles: dict[str, np.ndarray] = {}

    def _make_view(self, name: str) -> Any:
        from trame_slicer.views import ViewLayoutDefinition

        if name == THREE_D:
            definition = ViewLayoutDefinition.threed_view(name=name, background_color=("#20262c", "#3a444d"))
        else:
            definition = getattr(ViewLayoutDefinition, f"{SLICE_VIEWS[name].lower()}_view")(name)
        view = self.application.view_manager.create_view(definition)
        view.set_render_blocked(True)  # until everything is there: each node that is read asks for a picture
        # Samples and depth peeling exclude each other: with both, translucent surfaces are not drawn at all.
        view.render_window().SetMultiSamples(0)
        view.renderer().SetUseFXAA(name == THREE_D)
        return view

    def open(self, mrml: Path, name: object) -> None:
        """Read an unpacked scene and show it; `name` is what errors call it.

        Raises
        ------
        InputError
            Slicer cannot read it, or it holds nothing to be seen. Kinds of nodes that are unknown here are left out;
            `is_complete` is False then.
        """
        self.is_complete = bool(self.application.io_manager.load_scene(mrml))
        if self._has_broken_node():
            cause = "is damaged (Slicer cannot read a file in it)"
            raise InputError(name, cause, "write the scene again, or copy it again")
        if not self.volumes() and not self.surfaces():
            raise InputError(name, "holds neither an image nor a segment", "give a scene with something to be seen")
        volumes = self.volumes()
        images = [node for node in volumes if not looks_like_dose(node)] or volumes
        if images:
            self.set_background(self._shown_in_scene(images) or images[0].GetID())
        doses = [node for node in volumes if looks_like_dose(node) and node.GetID() != self.background_id]
        self.set_overlay(doses[0].GetID() if doses else None)
        self._dress_slices()
        self._note_middles()
        self.reset()
        for view in self.views.values():
            view.set_render_blocked(False)

    def _dress_slices(self) -> None:
        """A scale bar in each slice, no colour legends (the page has one), and slices in 3-D where nothing else is."""
        from slicer import vtkMRMLAbstractViewNode

        is_empty = not self.surfaces()
        for view in self._slice_views():
            view.set_ruler(vtkMRMLAbstractViewNode.RulerTypeThin)
            view.set_visible_in_3d(is_empty)
        for legend in self._nodes("vtkMRMLColorLegendDisplayNode"):
            legend.SetVisibility(False)

    def _note_middles(self) -> None:
        """Where the scene's own slice views cut: whoever wrote it may have chosen the place."""
        for name, view in zip(SLICE_VIEWS, self._slice_views(), strict=True):
            matrix = view.get_view_node().GetSliceToRAS()
            place = np.array([matrix.GetElement(row, 3) for row in range(3)])
            if place.any():  # a view that the scene does not hold stands at the origin
                self._middles[name] = place

    def _has_broken_node(self) -> bool:
        """Whether the file of a node could not be read: then it stands in the scene, empty."""
        nodes = [node for node in self._nodes("vtkMRMLVolumeNode") if node.GetImageData() is None]
        if not self.is_complete:
            segmentations = self._nodes("vtkMRMLSegmentationNode")
            nodes += [node for node in segmentations if node.GetSegmentation().GetNumberOfSegments() == 0]
        return any(node.GetStorageNode() is not None for node in nodes)

    def _shown_in_scene(self, images: list[Any]) -> str | None:
        composites = self._nodes("vtkMRMLSliceCompositeNode")
        wanted = {node.GetBackgroundVolumeID() for node in composites}
        return next((node.GetID() for node in images if node.GetID() in wanted), None)

    def _nodes(self, class_name: str) -> list[Any]:
        count = self.scene.GetNumberOfNodesByClass(class_name)
        return [self.scene.GetNthNodeByClass(index, class_name) for index in range(count)]

    # Patient

    @property
    def title(self) -> str:
        """The patient's name or ID, as the scene says it; an empty string where it says nothing."""
        import slicer
        import vtk

        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self.scene)
        if hierarchy is None:
            return ""
        items = vtk.vtkIdList()
        hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), items, False)
        names = [hierarchy.GetItemName(items.GetId(n)) for n in range(items.GetNumberOfIds())
                 if hierarchy.GetItemLevel(items.GetId(n)) == "Patient"]  # fmt: skip
        return next(iter(names), "").strip()

    # Images

    def volumes(self) -> list[Any]:
        """The scalar volumes with an image, in the scene's order; label maps are none."""
        nodes = self._nodes("vtkMRMLScalarVolumeNode")
        return [n for n in nodes if n.GetImageData() is not None and not n.IsA("vtkMRMLLabelMapVolumeNode")]

    @property
    def background_id(self) -> str | None:
        return self.views["Red"].get_background_volume_id()

    def set_background(self, node_id: str) -> None:
        """Show a volume in all slice views; it is no overlay any more."""
        if self.overlay is not None and self.overlay.node.GetID() == node_id:
            self.set_overlay(None)
        node = self._volume(node_id)
        if node.GetDisplayNode() is None:
            node.CreateDefaultDisplayNodes()
        for view in self._slice_views():
            view.set_background_volume_id(node_id)

    def _volume(self, node_id: str) -> Any:
        return next(node for node in self.volumes() if node.GetID() == node_id)

    def background_range(self) -> tuple[float, float]:
        """Lowest and highest value of the background, whole numbers where it spans many."""
        if self.background_id is None:
            return -1000.0, 1000.0
        low, high = self._volume(self.background_id).GetImageData().GetScalarRange()
        return (float(np.floor(low)), float(np.ceil(high))) if high - low > 100 else (float(low), float(high))

    @property
    def window(self) -> tuple[float, float]:
        """Width and centre of the window of the background."""
        if self.background_id is None:
            return 400.0, 40.0
        display = self._volume(self.background_id).GetDisplayNode()
        return display.GetWindow(), display.GetLevel()

    def set_window(self, width: float, level: float) -> None:
        if self.background_id is None:
            return
        display = self._volume(self.background_id).GetDisplayNode()
        display.SetAutoWindowLevel(0)
        display.SetWindowLevel(max(width, 1e-6), level)

    def set_overlay(self, node_id: str | None) -> None:
        """Lay a volume in colours over the background, or take it away."""
        if self.overlay is not None:
            self.overlay.undress()
        self.overlay = None if node_id is None else Overlay(self._volume(node_id))
        for view in self._slice_views():
            view.set_foreground_volume_id(node_id)
            view.set_foreground_opacity(0.0 if self.overlay is None else self.overlay.opacity)

    def set_overlay_opacity(self, opacity: float) -> None:
        if self.overlay is not None:
            self.overlay.opacity = opacity
            for view in self._slice_views():
                view.set_foreground_opacity(opacity)

    # Segments and models

    def surfaces(self) -> list[Surface]:
        """Segments and models that the scene holds, in its order."""
        return [*self._segments(), *self._models()]

    @property
    def has_segments(self) -> bool:
        return any(True for _ in self._segments())

    def _segments(self) -> Iterator[Surface]:
        for node in self._nodes("vtkMRMLSegmentationNode"):
            node.CreateDefaultDisplayNodes()
            segmentation, display = node.GetSegmentation(), node.GetDisplayNode()
            for segment_id in segmentation.GetSegmentIDs():
                segment = segmentation.GetSegment(segment_id)
                shown = bool(display.GetVisibility() and display.GetSegmentVisibility(segment_id))
                key = f"{node.GetID()}/{segment_id}"
                surface = segment.GetRepresentation(_CLOSED)
                empty = surface is not None and surface.GetNumberOfPoints() == 0
                yield Surface(key, segment.GetName() or segment_id, _bytes(segment.GetColor()), shown, empty)

    def _models(self) -> Iterator[Surface]:
        for node in self._nodes("vtkMRMLModelNode"):
            display = node.GetDisplayNode()
            # The slice views' own planes are models, too.
            if display is not None and node.GetPolyData() is not None and not node.GetHideFromEditors():
                color = _bytes(display.GetColor())
                yield Surface(node.GetID(), node.GetName() or "", color, bool(display.GetVisibility()))

    def show(self, key: str, is_shown: bool) -> None:
        """Switch one segment or model on or off."""
        node_id, _, segment_id = key.partition("/")
        display = self.scene.GetNodeByID(node_id).GetDisplayNode()
        if segment_id:
            display.SetVisibility(1)
            display.SetSegmentVisibility(segment_id, is_shown)
        else:
            display.SetVisibility(is_shown)

    def show_all(self, is_shown: bool) -> None:
        for surface in self.surfaces():
            self.show(surface.key, is_shown)

    @property
    def opacity(self) -> float:
        """Opacity of all segments and models together; each keeps its own share of it."""
        return self._opacity

    @opacity.setter
    def opacity(self, value: float) -> None:
        self._opacity = value
        for node in self._nodes("vtkMRMLSegmentationNode"):
            node.GetDisplayNode().SetOpacity(value)
        for model in self._models():
            display = self.scene.GetNodeByID(model.key).GetDisplayNode()
            display.SetOpacity(value * self._shares.setdefault(model.key, display.GetOpacity()))

    # Where the views look

    def _slice_views(self) -> list[Any]:
        return [self.views[name] for name in SLICE_VIEWS]

    def slice_facts(self, name: str) -> dict[str, Any]:
        """Range, step and position of a slice view in millimetres, the position in words, and where its edges point to.

        `edges` are letters of patient directions: left, right, top and bottom of the picture.
        """
        view = self.views[name]
        low, high = view.get_slice_range()
        value = view.get_slice_value()
        across, up, through = slice_axes(view)
        is_straight = max(abs(through)) > _STRAIGHT
        letter = _direction(through if value >= 0 else -through)  # positions count along the view's own axis
        label = (
            f"{letter} {abs(value):.1f} mm"
            if is_straight
            else f"{value:.1f} mm, oblique".replace("-", "\N{MINUS SIGN}")
        )
        facts = {"min": low, "max": high, "step": view.get_slice_step(), "value": value}
        edges = [_direction(-across), _direction(across), _direction(up), _direction(-up)]
        return {key: round(float(number), 4) for key, number in facts.items()} | {"label": label, "edges": edges}

    def reset(self) -> None:
        """Look at everything anew: slices where the scene has them, else through the organs; 3-D from the front."""
        whole, organs = self._boxes()
        for view in self.views.values():
            view.reset_view()
        for name, field in self._fields.items():
            field.aim(self.views[name], whole, self._middles.get(name, (organs[0] + organs[1]) / 2))
        renderer = self.views[THREE_D].renderer()
        renderer.ResetCamera(*np.stack(organs, axis=1).ravel())
        renderer.ResetCameraClippingRange()

    def _boxes(self) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
        """Lowest and highest RAS millimetres of all surfaces (or the image), and of those that are no hull."""
        found = []
        for node in self._nodes("vtkMRMLSegmentationNode"):
            opacity = node.GetDisplayNode().GetSegmentOpacity3D
            ids = node.GetSegmentation().GetSegmentIDs()
            found += [(_segment_corners(node, i), opacity(i) > _HULL_OPACITY) for i in ids]
        found += [(_node_corners(self.scene.GetNodeByID(model.key)), True) for model in self._models()]
        every = [corners for corners, _ in found if len(corners)]
        solid = [corners for corners, is_solid in found if is_solid and len(corners)]
        if not every and self.background_id is not None:
            every = [_node_corners(self._volume(self.background_id))]
        boxes = [np.concatenate(parts or [np.array([[-100.0] * 3, [100.0] * 3])]) for parts in (every, solid or every)]
        whole, organs = ((box.min(axis=0), box.max(axis=0)) for box in boxes)
        return whole, organs


def _direction(axis: np.ndarray) -> str:
    """The letter of the patient direction (RAS) nearest to an axis."""
    nearest = int(np.argmax(np.abs(axis)))
    return ("LR", "PA", "IS")[nearest][int(axis[nearest] > 0)]


def _silence() -> None:
    """VTK's own log says in the terminal what the scene's messages say already."""
    from vtkmodules.vtkCommonCore import vtkLogger

    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)


def _register_more(scene: Any) -> None:
    """Kinds of nodes that Slicer's modules add to its scene, and scenes of ours hold."""
    import slicer

    scene.RegisterNodeClass(slicer.vtkMRMLColorLegendDisplayNode())


def _collect_messages() -> Any:
    """From now on VTK's messages go into the object returned, and not into the terminal."""
    from vtkmodules.vtkCommonCore import vtkOutputWindow, vtkStringOutputWindow

    messages = vtkStringOutputWindow()
    vtkOutputWindow.SetInstance(messages)
    return messages


def _bytes(color: tuple[float, float, float]) -> tuple[int, int, int]:
    red, green, blue = (round(255 * min(max(part, 0.0), 1.0)) for part in color)
    return red, green, blue


def _segment_corners(node: Any, segment_id: str) -> np.ndarray:
    """(8, 3) corners of a segment's surface in RAS millimetres; (0, 3) where it has none."""
    import vtk

    surface = node.GetSegmentation().GetSegment(segment_id).GetRepresentation(_CLOSED)
    if surface is None or surface.GetNumberOfPoints() == 0:
        return np.zeros((0, 3))
    to_world = vtk.vtkGeneralTransform()
    if node.GetParentTransformNode() is not None:
        node.GetParentTransformNode().GetTransformToWorld(to_world)
    return np.array([to_world.TransformPoint(*corner) for corner in _corners(surface.GetBounds())])


def _node_corners(node: Any) -> np.ndarray:
    """(8, 3) corners of a volume or model in RAS millimetres."""
    bounds = [0.0] * 6
    node.GetRASBounds(bounds)
    return _corners(bounds) if bounds[0] <= bounds[1] else np.zeros((0, 3))


def _corners(bounds: Any) -> np.ndarray:
    return np.array(np.meshgrid(*np.reshape(bounds, (3, 2)), indexing="ij")).reshape(3, 8).T
