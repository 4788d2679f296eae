"""The stand-in's application: what it knows, life of modules, files, DICOM database, views, window."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PySide6.QtWidgets", reason="needs PySide6 with Qt's system libraries")
pytest.importorskip("trame_slicer", reason="needs slicer-core and trame-slicer")

from builders.ct_builder import write_series  # noqa: E402
from standin.desktop import start  # noqa: E402
from standin.desktop.drawing import SlicePlane, drawing_problem  # noqa: E402
from standin.pythonqt import StandInGap, error_flag, unwrap  # noqa: E402

needs_drawing = pytest.mark.skipif(bool(drawing_problem()), reason=drawing_problem() or "can draw")


@pytest.fixture(scope="module")
def desktop():
    return start()


@pytest.fixture
def slicer(desktop):
    """The package with an empty scene."""
    import slicer

    slicer.mrmlScene.Clear(False)
    yield slicer
    slicer.mrmlScene.Clear(False)
    slicer.app.layoutManager().setLayout(3)


def add_volume(slicer, values: np.ndarray, name: str = "CT"):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    slicer.util.updateVolumeFromArray(node, values)
    node.CreateDefaultDisplayNodes()
    return node


# --- what there is, what is a gap, what is unknown


def test_started_once(desktop):
    assert start() is desktop


def test_application_tells_who_it_is(slicer):
    app = slicer.app
    assert (app.applicationName, app.testingEnabled(), app.majorVersion) == ("Slicer", True, 5)
    assert app.mrmlScene() is slicer.mrmlScene
    assert app.applicationLogic().GetMRMLScene() is slicer.mrmlScene
    assert Path(app.temporaryPath).is_dir()
    assert app.commandOptions().testingEnabled is True


def test_what_is_missing_says_so_and_what_is_unknown_is_unknown(slicer):
    with pytest.raises(StandInGap):
        _ = slicer.app.pythonConsole
    with pytest.raises(StandInGap):
        _ = slicer.modules.segmenteditor
    with pytest.raises(StandInGap):
        slicer.util.selectModule("SegmentEditor")
    with pytest.raises(AttributeError):
        slicer.app.mainWindow()  # a plain C++ method: not there for Python
    with pytest.raises(AttributeError):
        _ = slicer.modules.pytorchutils
    assert slicer.app.connect("startupCompleted()", print) is True
    assert slicer.app.connect("startupFinished()", print) is False


def test_settings_end_with_the_process(slicer):
    import qt

    qt.QSettings().setValue("Dose3D/test", 5)
    assert slicer.util.settingsValue("Dose3D/test", 0, converter=int) == 5
    assert slicer.app.settings().value("Dose3D/test") in (5, "5")
    assert not slicer.app.slicerUserSettingsFilePath.startswith(str(Path.home() / ".config"))


def test_logics_work_on_the_scene(slicer):
    volume = add_volume(slicer, np.zeros((2, 3, 4), np.int16))
    label = slicer.modules.volumes.logic().CreateAndAddLabelVolume(volume, "label")
    assert slicer.util.arrayFromVolume(label).shape == (2, 3, 4)
    assert slicer.util.getModuleLogic("Segmentations").GetMRMLScene() is slicer.mrmlScene


# --- life of a module

MODULE = """
import slicer
from slicer.ScriptedLoadableModule import *
CALLS = []
class {name}(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title, parent.dependencies = "A {name}", {dependencies}
        CALLS.append(("init", __name__, parent.name, hasattr(slicer.modules, "{lower}")))
    def setup(self):
        CALLS.append(("module setup", hasattr(slicer.modules, "{lower}")))
class {name}Widget(ScriptedLoadableModuleWidget):
    def setup(self):
        CALLS.append(("setup", self.layout.className(), self.parent.isEntered))
    def enter(self):
        CALLS.append(("enter", self.parent.isEntered))
        {enter}
    def exit(self):
        CALLS.append(("exit", self.parent.isEntered))
    def cleanup(self):
        CALLS.append(("cleanup",))
    def nodeEditable(self, node):
        return {editable}
    def setEditedNode(self, node, role, context):
        return True
"""


def write_module(folder: Path, name: str, dependencies=(), enter: str = "pass", editable: str = "0.5") -> Path:
    path = folder / f"{name}.py"
    code = MODULE.format(name=name, lower=name.lower(), dependencies=list(dependencies), enter=enter, editable=editable)
    path.write_text(code)
    return path


def calls(name: str) -> list:
    return sys.modules[name].CALLS


def load(desktop, *paths: Path) -> None:
    unwrap(desktop.slicer.app.moduleManager().factoryManager()).load_files(list(paths))


def test_module_lives_as_in_the_real_one(desktop, slicer, tmp_path):
    load(desktop, write_module(tmp_path, "LifeB", ["LifeA"]), write_module(tmp_path, "LifeA"))
    assert slicer.modules.LifeBInstance.parent.title == "A LifeB"
    assert slicer.modules.lifeb.path == str(tmp_path / "LifeB.py")
    assert calls("LifeB") == [("init", "LifeB", "LifeB", False), ("module setup", True)]
    assert not hasattr(slicer.modules, "LifeBWidget")  # made when it is shown first
    slicer.util.selectModule("LifeB")
    page = slicer.modules.LifeBWidget
    assert calls("LifeB")[2:] == [("setup", "QVBoxLayout", False), ("enter", True)]
    page.enter = lambda: calls("LifeB").append("replaced")  # looked up once, so this has no effect
    slicer.util.selectModule("LifeA")
    slicer.util.selectModule("LifeB")
    assert calls("LifeB")[4:] == [("exit", False), ("enter", True)]
    assert slicer.modules.LifeBWidget is page is slicer.util.getModuleWidget("LifeB")
    assert slicer.modules.lifeb.widgetRepresentation().self() is page
    assert slicer.util.selectedModule() == "LifeB"
    slicer.util.selectModule("LifeA")
    slicer.app.moduleManager().moduleAboutToBeUnloaded.emit("LifeB")
    assert calls("LifeB")[-1] == ("cleanup",)


def test_nodes_are_offered_to_pages_as_the_real_one_does(desktop, slicer, tmp_path):
    load(desktop, write_module(tmp_path, "EditFloat"), write_module(tmp_path, "EditInt", editable="1"))
    node = add_volume(slicer, np.zeros((2, 2, 2), np.int16))
    page = slicer.modules.editfloat.widgetRepresentation()
    assert page.nodeEditable(node) == 0.5
    assert page.setEditedNode(node) is True
    assert slicer.modules.editint.widgetRepresentation().nodeEditable(node) == 0.0  # an int is refused


def test_errors_of_modules_are_printed_and_flagged(desktop, slicer, tmp_path, monkeypatch):
    printed = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: printed.append(str(error)))
    broken = tmp_path / "BrokenFile.py"
    broken.write_text("raise ValueError('no file')")
    load(desktop, broken, write_module(tmp_path, "BrokenEnter", enter="raise ValueError('no entry')"))
    slicer.util.selectModule("BrokenEnter")
    assert printed == ["no file", "no entry"]
    assert error_flag.had_error
    assert not hasattr(slicer.modules, "brokenfile")
    error_flag.clear()
    slicer.util.selectModule("")


def test_module_without_its_dependency_is_refused(desktop, tmp_path):
    with pytest.raises(RuntimeError, match="NowhereToBeFound"):
        load(desktop, write_module(tmp_path, "Orphan", ["NowhereToBeFound"]))


def test_unknown_module_changes_nothing(slicer, caplog):
    before = slicer.util.selectedModule()
    with caplog.at_level(logging.WARNING):
        slicer.util.selectModule("NoSuchModule")
    assert "NoSuchModule" in caplog.text
    assert slicer.util.selectedModule() == before


# --- files


@pytest.fixture
def volume(slicer):
    return add_volume(slicer, np.arange(120, dtype=np.int16).reshape(4, 5, 6))


@pytest.mark.parametrize("ending", [".nrrd", ".nii.gz", ".mha"])
def test_volume_is_written_and_read(slicer, volume, tmp_path, ending):
    volume.SetSpacing(1, 2, 3)
    path = tmp_path / f"ct{ending}"
    assert slicer.util.saveNode(volume, str(path))
    assert volume.GetStorageNode().GetFileName() == str(path)
    loaded = slicer.util.loadVolume(str(path))
    assert loaded is not volume
    assert np.array_equal(slicer.util.arrayFromVolume(loaded), slicer.util.arrayFromVolume(volume))
    assert loaded.GetSpacing() == pytest.approx((1, 2, 3))


def test_export_leaves_the_nodes_own_file(slicer, volume, tmp_path):
    slicer.util.saveNode(volume, str(tmp_path / "own.nrrd"))
    assert slicer.util.exportNode(volume, str(tmp_path / "copy.nrrd"))
    assert (tmp_path / "copy.nrrd").is_file()
    assert volume.GetStorageNode().GetFileName() == str(tmp_path / "own.nrrd")
    with pytest.raises(ValueError, match="no known file format"):
        slicer.util.exportNode(volume, str(tmp_path / "copy.xyz"), {})


def test_label_volume_and_segmentation(slicer, tmp_path):
    mask = np.zeros((4, 5, 6), np.uint8)
    mask[1:3, 2:4, 1:5] = 1
    label = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "label")
    slicer.util.updateVolumeFromArray(label, mask)
    slicer.util.saveNode(label, str(tmp_path / "label.nrrd"))
    assert slicer.util.loadLabelVolume(str(tmp_path / "label.nrrd")).IsA("vtkMRMLLabelMapVolumeNode")
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "seg")
    assert slicer.modules.segmentations.logic().ImportLabelmapToSegmentationNode(label, segmentation)
    assert slicer.util.saveNode(segmentation, str(tmp_path / "s.seg.nrrd"))
    loaded = slicer.util.loadSegmentation(str(tmp_path / "s.seg.nrrd"))
    segment = loaded.GetSegmentation().GetNthSegmentID(0)
    assert slicer.util.arrayFromSegmentBinaryLabelmap(loaded, segment, label).sum() == mask.sum()


def test_unreadable_file_raises_and_leaves_nothing(slicer, tmp_path):
    (tmp_path / "bad.seg.nrrd").write_text("no segmentation")
    before = slicer.mrmlScene.GetNumberOfNodes()
    for load_file, name in (
        (slicer.util.loadSegmentation, "bad.seg.nrrd"),
        (slicer.util.loadVolume, "none.nrrd"),
        (slicer.util.loadScene, "none.mrb"),
    ):
        with pytest.raises(RuntimeError):
            load_file(str(tmp_path / name))
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_scene_is_saved_and_loaded(slicer, volume, tmp_path):
    expected = slicer.util.arrayFromVolume(volume).copy()
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(False)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    assert np.array_equal(slicer.util.arrayFromVolume(slicer.util.getNode("CT")), expected)


# --- DICOM


def test_series_is_found_and_loaded(slicer, tmp_path):
    from DICOMLib import DICOMUtils

    written = np.stack([np.full((16, 20), 100 * k, np.int16) for k in range(6)])
    paths = write_series(tmp_path / "ct", written)
    (tmp_path / "ct" / "notes.txt").write_text("no DICOM")
    assert DICOMUtils.importDicom(str(tmp_path / "ct"))
    database = slicer.dicomDatabase
    files = sorted(map(str, paths))
    uid = database.seriesForFile(files[0])
    assert sorted(database.filesForSeries(uid)) == files
    assert uid in database.seriesForStudy(database.studyForSeries(uid))
    assert database.instanceValue(database.instanceForFile(files[0]), "0008,0060") == "CT"
    node = slicer.mrmlScene.GetNodeByID(DICOMUtils.loadSeriesByUID([uid])[0])
    assert set(node.GetAttribute("DICOM.instanceUIDs").split()) == set(database.instancesForSeries(uid))
    assert np.array_equal(slicer.util.arrayFromVolume(node), written)
    assert not DICOMUtils.importDicom(str(tmp_path / "nothing"))
    with pytest.raises(ValueError, match="list"):
        DICOMUtils.loadSeriesByUID(uid)


# --- views


@pytest.fixture
def half(slicer):
    """A volume that is bright on the patient's left half only, shown in the slice views."""
    values = np.full((20, 30, 40), -1000, np.int16)
    values[:, :, 20:] = 1000
    node = add_volume(slicer, values)
    node.SetIJKToRASDirections(-1, 0, 0, 0, -1, 0, 0, 0, 1)  # columns go to the patient's left
    slicer.util.setSliceViewerLayers(background=node, fit=True)
    slicer.util.resetSliceViews()
    return node


def shown(slicer, name: str = "Red") -> np.ndarray:
    """Grey values of a view's picture, rows from the top."""
    view = unwrap(slicer.app.layoutManager().sliceWidget(name).sliceView())
    view.draw()
    image = view.pixmap().toImage().convertToFormat(image_format())
    raw = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return raw[:, : image.width()]


def image_format():
    from PySide6.QtGui import QImage

    return QImage.Format_Grayscale8


def test_views_answer_without_a_picture(slicer, half):
    manager = slicer.app.layoutManager()
    assert manager.sliceViewNames() == ("Red", "Green", "Yellow")
    red = manager.sliceWidget("Red")
    assert type(red) is slicer.qMRMLSliceWidget
    assert red.mrmlSliceNode().GetOrientation() == "Axial"
    assert red.mrmlSliceCompositeNode().GetBackgroundVolumeID() == half.GetID()
    assert manager.sliceWidget("Green").sliceOrientation == "Coronal"
    assert manager.threeDWidget(0).threeDView().mrmlViewNode().IsA("vtkMRMLViewNode")
    assert (manager.sliceWidget("Blue"), manager.threeDWidget(1)) == (None, None)
    with pytest.raises(StandInGap):
        _ = manager.plotWidget


@needs_drawing
def test_left_of_the_patient_is_right_on_the_screen(slicer, half):
    picture = shown(slicer)
    middle = picture.shape[1] // 2
    assert picture[:, middle + 5 :].mean() > picture[:, : middle - 5].mean() + 30


@needs_drawing
def test_pictures_are_drawn_only_when_asked_for_and_changed(desktop, slicer, half, monkeypatch):
    desktop.window.grab()
    drawn = []
    picture = SlicePlane.picture
    monkeypatch.setattr(SlicePlane, "picture", lambda self, *size: drawn.append(self.name) or picture(self, *size))
    slicer.app.layoutManager().sliceWidget("Red").sliceLogic().SetSliceOffset(3)
    slicer.app.processEvents()
    assert drawn == []
    desktop.window.grab()
    assert "Red" in drawn
    drawn.clear()
    desktop.window.grab()
    assert drawn == []


def test_wheel_moves_one_slice(slicer, half):
    from PySide6.QtCore import QPoint, QPointF, Qt
    from PySide6.QtGui import QWheelEvent

    red = slicer.app.layoutManager().sliceWidget("Red")
    before = red.sliceLogic().GetSliceOffset()
    view = unwrap(red.sliceView())
    here, turn = QPointF(10, 10), QPoint(0, 120)
    event = QWheelEvent(here, here, QPoint(), turn, Qt.NoButton, Qt.NoModifier, Qt.NoScrollPhase, False)
    view.wheelEvent(event)
    assert red.sliceLogic().GetSliceOffset() == pytest.approx(before + half.GetSpacing()[2])


def test_layouts(desktop, slicer):
    manager = slicer.app.layoutManager()
    manager.setLayout(6)
    assert manager.layout == 6
    assert manager.sliceWidget("Red").visible
    assert not manager.sliceWidget("Green").visible
    with pytest.raises(StandInGap):
        manager.setLayout(99)


def test_machine_that_cannot_draw_keeps_the_nodes(desktop, slicer, monkeypatch):
    monkeypatch.setattr("standin.desktop.drawing.drawing_problem", lambda: "no library")
    before = slicer.app.layoutManager().mrmlSliceLogics().GetNumberOfItems()
    plane = SlicePlane(unwrap(slicer.app).core, "Yellow", lambda: None)
    assert plane.view is None
    assert plane.node.GetOrientation() == "Sagittal"
    slicer.app.layoutManager().mrmlSliceLogics().RemoveItem(plane.logic)
    assert slicer.app.layoutManager().mrmlSliceLogics().GetNumberOfItems() == before


# --- window


def test_window_holds_selector_panel_and_views(slicer):
    window = slicer.util.mainWindow()
    assert (window.width, window.height) == (1366, 768)
    assert "stand-in" in window.windowTitle
    assert "tests only" in window.windowTitle
    assert window.moduleSelector().className() == "qSlicerModuleSelectorToolBar"
    window.statusBar().showMessage("hello")
    assert window.statusBar().currentMessage() == "hello"


def test_program_writes_a_dark_picture_and_ends(tmp_path):
    from PySide6.QtGui import QImage

    root = Path(__file__).resolve().parents[2]
    path = f"{root / 'Testing' / 'gui'}{os.pathsep}{root / 'Dose3D'}"
    environment = {**os.environ, "PYTHONPATH": path, "QT_QPA_PLATFORM": "offscreen"}
    command = [sys.executable, "-m", "standin", "--dark", "--module", "Dose3D", "--screenshot", str(tmp_path / "a.png")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    image = QImage(str(tmp_path / "a.png"))
    assert (image.width(), image.height()) == (1366, 768)
    assert image.pixelColor(10, 400).lightness() < 80
