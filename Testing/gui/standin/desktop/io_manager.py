"""Reading and writing of nodes by kind of file, on MRML's own storage nodes."""

from __future__ import annotations

import re
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from standin.widgets.base import gap

READERS = {
    "SegmentationFile": ("vtkMRMLSegmentationNode", (".seg.nrrd", ".seg.nhdr", ".seg.vtm")),
    "MarkupsFile": ("", (".mrk.json", ".fcsv")),
    "TransformFile": ("vtkMRMLTransformNode", (".h5", ".tfm")),
    "ColorTableFile": ("vtkMRMLColorTableNode", (".ctbl", ".cxml")),
    "ModelFile": ("vtkMRMLModelNode", (".vtp", ".vtk", ".stl", ".obj", ".ply")),
    "TableFile": ("vtkMRMLTableNode", (".csv", ".tsv")),
    "TextFile": ("vtkMRMLTextNode", (".txt", ".json", ".xml")),
    "SceneFile": ("", (".mrml", ".mrb")),
    "VolumeFile": ("vtkMRMLScalarVolumeNode", (".nrrd", ".nhdr", ".nii.gz", ".nii", ".mha", ".mhd", ".tif", ".dcm")),
}
"""Kind of file -> class of the node it holds, endings; the first kind whose ending fits is taken."""

WRITERS = {
    "vtkMRMLSegmentationNode": "SegmentationFile",
    "vtkMRMLVolumeNode": "VolumeFile",
    "vtkMRMLModelNode": "ModelFile",
    "vtkMRMLTransformNode": "TransformFile",
    "vtkMRMLMarkupsNode": "MarkupsFile",
    "vtkMRMLTableNode": "TableFile",
    "vtkMRMLTextNode": "TextFile",
    "vtkMRMLColorTableNode": "ColorTableFile",
    "vtkMRMLScene": "SceneFile",
}


class qSlicerIOManager(QObject):
    """`slicer.app.coreIOManager()`, as far as slicer.util uses it."""

    newFileLoaded = Signal("QVariantMap")
    fileSaved = Signal("QVariantMap")

    def __init__(self, core, parent: QObject | None = None):
        super().__init__(parent)
        self._core = core

    # --- kinds of files

    @Slot(str, result=str)
    def fileType(self, file: str) -> str:
        lower = file.lower()
        return next((kind for kind, (_, ends) in READERS.items() if lower.endswith(ends)), "NoFile")

    @Slot(object, result=str)
    @Slot(object, str, result=str)
    def fileWriterFileType(self, vtk_object, extension: str = "") -> str:
        return next((kind for name, kind in WRITERS.items() if vtk_object.IsA(name)), "NoFile")

    @Slot(object, result="QStringList")
    def fileWriterExtensions(self, vtk_object) -> list[str]:
        """Formats such as 'NRRD (.nrrd)'."""
        storage = self._new_storage(vtk_object)
        formats = storage.GetSupportedWriteFileTypes() if storage is not None else None
        return [formats.GetValue(i) for i in range(formats.GetNumberOfValues())] if formats is not None else []

    @Slot(str, object, result=str)
    def extractKnownExtension(self, fileName: str, vtk_object) -> str:
        """The longest ending of the file's name that the node can be written with; empty when there is none."""
        endings = [re.search(r"\((\.[\w.]+)\)", form) for form in self.fileWriterExtensions(vtk_object)]
        fitting = [found.group(1) for found in endings if found and fileName.lower().endswith(found.group(1))]
        return max(fitting, key=len, default="")

    @Slot(str, result=int)
    def registeredFileReaderCount(self, fileType: str) -> int:
        return int(fileType in READERS)

    @Slot(str, result=int)
    def registeredFileWriterCount(self, fileType: str) -> int:
        return int(fileType in WRITERS.values())

    # --- reading

    @Slot(str, "QVariantMap", result=bool)
    @Slot(str, "QVariantMap", object, result=bool)
    @Slot(str, "QVariantMap", object, object, result=bool)
    def loadNodes(self, fileType: str, parameters: dict, loadedNodes=None, userMessages=None) -> bool:
        """Load one file into the scene; the nodes are put into the vtkCollection `loadedNodes`."""
        path = Path(parameters["fileName"])
        if fileType == "SceneFile":
            return self._load_scene(path, bool(parameters.get("clear")), userMessages)
        if fileType not in READERS or not path.is_file():
            _say(userMessages, f"{path}: no such file, or nothing here reads it")
            return False
        node = self._load_node(fileType, path, parameters, userMessages)
        if node is None:
            return False
        if loadedNodes is not None:
            loadedNodes.AddItem(node)
        self.newFileLoaded.emit({**parameters, "fileType": fileType, "nodeIDs": [node.GetID()]})
        return True

    @Slot(str, result=bool)
    @Slot(str, bool, result=bool)
    @Slot(str, bool, object, result=bool)
    def loadScene(self, fileName: str, clear: bool = True, userMessages=None) -> bool:
        return self._load_scene(Path(fileName), clear, userMessages)

    def _load_scene(self, path: Path, clear: bool, messages) -> bool:
        scene = self._core.scene
        if not path.is_file():
            _say(messages, f"{path}: no such file")
            return False
        if clear:
            scene.Clear(False)
        if path.suffix.lower() == ".mrb":
            return bool(scene.ReadFromMRB(str(path), False))
        scene.SetURL(str(path))
        return bool(scene.Import())

    def _load_node(self, kind: str, path: Path, parameters: dict, messages):
        """The node of a file, or None; nothing is left in the scene when the file cannot be read."""
        scene = self._core.scene
        name = parameters.get("name") or _stem(path, kind)
        if kind == "MarkupsFile":
            return self._load_markups(path, name)
        if kind == "VolumeFile":
            return self._core.logics["Volumes"].AddArchetypeVolume(str(path), name, _volume_options(parameters))
        if kind == "TransformFile":
            return self._core.logics["Transforms"].AddTransform(str(path), scene)
        node = scene.CreateNodeByClass(READERS[kind][0])
        node.UnRegister(None)
        node.SetName(scene.GenerateUniqueName(name))
        scene.AddNode(node)
        storage = scene.AddNode(self._new_storage(node))
        storage.SetFileName(str(path))
        if not storage.ReadData(node):
            _say(messages, storage.GetUserMessages().GetAllMessagesAsString())
            scene.RemoveNode(node)
            scene.RemoveNode(storage)
            return None
        node.SetAndObserveStorageNodeID(storage.GetID())
        if hasattr(node, "CreateDefaultDisplayNodes"):
            node.CreateDefaultDisplayNodes()
        return node

    def _load_markups(self, path: Path, name: str):
        node_id = self._core.logics["Markups"].LoadMarkups(str(path), name)
        return self._core.scene.GetNodeByID(node_id.split(",")[0]) if node_id else None

    # --- writing

    @Slot(str, "QVariantMap", result=bool)
    @Slot(str, "QVariantMap", object, result=bool)
    def saveNodes(self, fileType: str, parameters: dict, userMessages=None) -> bool:
        """Save a node (by `nodeID`) and keep the file as its own; or save the scene."""
        path = Path(parameters["fileName"])
        if fileType == "SceneFile":
            return self._save_scene(path)
        node = self._core.scene.GetNodeByID(parameters.get("nodeID") or "")
        if node is None:
            return False
        if node.GetStorageNode() is None:
            node.AddDefaultStorageNode()
        saved = self._write(node, node.GetStorageNode(), path, parameters, userMessages)
        if saved:
            self.fileSaved.emit({**parameters, "fileType": fileType})
        return saved

    @Slot("QStringList", "QStringList", "QVariantMap", bool, result=bool)
    @Slot("QStringList", "QStringList", "QVariantMap", bool, object, result=bool)
    def exportNodes(self, nodeIDs, fileNames, commonParameterMap, hardenTransforms, userMessages=None) -> bool:
        """Write nodes to files and leave their own storage nodes as they are."""
        return all(
            [
                self._export(self._core.scene.GetNodeByID(node_id), Path(name), commonParameterMap, hardenTransforms)
                for node_id, name in zip(nodeIDs, fileNames, strict=True)
            ]
        )

    def _export(self, node, path: Path, parameters: dict, harden: bool) -> bool:
        if harden and node.GetParentTransformNode() is not None:
            gap("exportNodes: hardening of transforms")
        return self._write(node, self._new_storage(node), path, parameters, None)

    def _write(self, node, storage, path: Path, parameters: dict, messages) -> bool:
        storage.SetFileName(str(path))
        if "useCompression" in parameters:
            storage.SetUseCompression(int(parameters["useCompression"]))
        written = path.parent.is_dir() and bool(storage.WriteData(node))
        if not written:
            _say(messages, storage.GetUserMessages().GetAllMessagesAsString() or f"{path}: could not be written")
        return written

    def _save_scene(self, path: Path) -> bool:
        scene = self._core.scene
        if path.suffix.lower() == ".mrb":
            return bool(scene.WriteToMRB(str(path.absolute())))
        if path.suffix.lower() == ".mrml":
            scene.SetURL(str(path))
            return bool(scene.Commit())
        return gap("saveScene: into a folder")

    @Slot()
    def addDefaultStorageNodes(self) -> None:
        for node in self._core.scene.GetNodesByClass("vtkMRMLStorableNode"):
            if node.GetStorageNode() is None and node.GetSaveWithScene():
                node.AddDefaultStorageNode()

    def _new_storage(self, node):
        """A storage node of the node's own kind, outside the scene; the node must be in it."""
        storage = node.CreateDefaultStorageNode() if hasattr(node, "CreateDefaultStorageNode") else None
        if storage is not None:
            storage.UnRegister(None)
            storage.SetScene(self._core.scene)  # volumes ask it for the kinds of files
        return storage


def _stem(path: Path, kind: str) -> str:
    """The file's name without the ending that its kind has."""
    ending = next((end for end in READERS[kind][1] if path.name.lower().endswith(end)), path.suffix)
    return path.name[: len(path.name) - len(ending)] if ending else path.name


def _volume_options(parameters: dict) -> int:
    """Bits of vtkSlicerVolumesLogic.LoadingOptions; window and level are chosen unless told otherwise."""
    bits = {"labelmap": 1, "center": 2, "singleFile": 4, "autoWindowLevel": 8, "discardOrientation": 16}
    return sum(bit for name, bit in bits.items() if parameters.get(name, name == "autoWindowLevel"))


def _say(messages, text: str) -> None:
    from vtk import vtkCommand

    if messages is not None and text:
        messages.AddMessage(vtkCommand.ErrorEvent, text)
