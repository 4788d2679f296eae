"""The scene, the application logic and the logics of the modules that come with slicer-core."""

from __future__ import annotations

from pathlib import Path

MODULE_LOGICS = {
    "Colors": "vtkSlicerColorLogic",
    "Units": "vtkSlicerUnitsLogic",
    "Terminologies": "vtkSlicerTerminologiesModuleLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Models": "vtkSlicerModelsLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Plots": "vtkSlicerPlotsLogic",
    "Sequences": "vtkSlicerSequencesLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "VolumeRendering": "vtkSlicerVolumeRenderingLogic",
    "Cameras": "vtkSlicerCamerasModuleLogic",
    "Data": "vtkSlicerDataModuleLogic",
}
"""Name of the module -> class of its logic; in this order they get the scene."""


class SceneCore:
    """What lies under the application: scene, application logic, module logics by module name."""

    def __init__(self, cache: Path):
        import slicer
        from vtk import vtkCollection

        self.scene = slicer.vtkMRMLScene()
        self.logic = slicer.vtkSlicerApplicationLogic()
        self.logic.SetMRMLScene(self.scene)
        (cache.parent / "share" / "ColorFiles").mkdir(parents=True, exist_ok=True)  # else the colours complain
        self.logic.SetHomeDirectory(str(cache.parent))
        self.logic.SetShareDirectory("share")

        self.logic.SetSliceLogics(vtkCollection())
        self.logic.SetViewLogics(vtkCollection())
        self._add_remote_io(cache)
        self._add_crosshair()
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self.scene, True)
        self.logics = {}
        for name, class_name in MODULE_LOGICS.items():
            kind = getattr(slicer, class_name, None)
            if kind is not None:
                self.logics[name] = self._add_logic(name, kind())
        for kind in ("ThreeDView", "SliceView"):
            factory = getattr(slicer, f"vtkMRML{kind}DisplayableManagerFactory").GetInstance()
            factory.SetMRMLApplicationLogic(self.logic)

    def _add_remote_io(self, cache: Path) -> None:
        """What reading an .mrb asks for."""
        import slicer

        cache.mkdir(parents=True, exist_ok=True)
        self._remote = slicer.vtkMRMLRemoteIOLogic()
        self._remote.GetCacheManager().SetRemoteCacheDirectory(str(cache))
        self._remote.SetMRMLScene(self.scene)
        self._remote.AddDataIOToScene()

    def _add_crosshair(self) -> None:
        import slicer

        crosshair = slicer.vtkMRMLCrosshairNode()
        crosshair.SetCrosshairName("default")
        self.scene.AddNode(crosshair)

    def _add_logic(self, name: str, logic):
        from trame_slicer.resources import resources_path

        share = Path(resources_path())
        if hasattr(logic, "SetModuleShareDirectory"):
            logic.SetModuleShareDirectory(str(share / "terminologies" if name == "Terminologies" else share))
        logic.SetMRMLApplicationLogic(self.logic)
        logic.SetMRMLScene(self.scene)
        self.logic.SetModuleLogic(name, logic)
        return logic
