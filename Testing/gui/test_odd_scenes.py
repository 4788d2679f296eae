"""Scenes as nobody makes them on purpose: settings of another version, volumes without voxels, nodes of one name."""

from __future__ import annotations

import slicer

from gui_case import GuiCase  # isort: skip (first: inside Slicer it makes the next ones known)
import vtk

JUNK = ("", "no such value", "-1", "1e999", "nan", "Łódź µ 'q' \"x\"", "[", "{}", "null")


class OddSettings:
    """Every stored setting with texts that no version wrote; the page opens, says something, and still works."""

    def junk(self, text: str) -> int:
        """Write the text over every setting; returns how many there are."""
        node = self.logic.getParameterNode()
        names = [name for name in node.GetParameterNames() if not name.startswith(("ModuleName", "_"))]
        slicer.util.selectModule(self.other)
        for name in names:
            node.SetParameter(name, text)
        slicer.util.selectModule(self.moduleName)
        self.spin(1)
        return len(names)

    def test_page_opens_on_any_text(self):
        for text in JUNK:
            with self.subTest(text):
                self.assertGreater(self.junk(text), 3)
                for name, section in self.widget.sections.items():
                    self.assertIsInstance(section.problem(), str, name)
                self.assertTrue(self.ui.applyButton.toolTip)

    def test_page_works_after_the_scene_is_closed(self):
        self.junk("no such value")
        slicer.mrmlScene.Clear(False)
        self.spin(1)
        self.addPhantom()
        slicer.util.selectModule(self.other)
        slicer.util.selectModule(self.moduleName)
        self.spin(1)
        for section in self.widget.sections.values():
            self.assertIsInstance(section.problem(), str)


class TestOddSettingsOfSegment(OddSettings, GuiCase):
    moduleName, other = "Dose3DSegment", "Dose3D"


class TestOddSettingsOfDose3D(OddSettings, GuiCase):
    moduleName, other = "Dose3D", "Dose3DSegment"


class TestOddSettingsOfPhaseSpace(OddSettings, GuiCase):
    moduleName, other = "Dose3DPhaseSpace", "Dose3D"


class TestOneOddSetting(GuiCase):
    """What can be used is kept beside what cannot."""

    moduleName = "Dose3DSegment"

    def test_a_device_that_is_gone(self):
        node = self.logic.getParameterNode()
        slicer.util.selectModule("Dose3D")
        node.SetParameter("device", "tpu")
        node.SetParameter("resultFolder", "/Łódź µ")
        node.SetParameter("modelName", "a model that is gone")
        slicer.util.selectModule(self.moduleName)
        parameters = self.widget.sections["find"].currentParameters()
        self.assertEqual(parameters.device, "auto")
        self.assertEqual(parameters.resultFolder, "/Łódź µ")
        self.assertEqual(self.ui.modelSelector.currentText, "Model in a folder")
        self.addPhantom()
        slicer.util.selectModule("Dose3D")
        slicer.util.selectModule(self.moduleName)
        self.assertIn("Choose the folder of a model", self.ui.applyButton.toolTip)


class TestOddVolumes(GuiCase):
    """What is in the selector, but no CT."""

    moduleName = "Dose3DSegment"

    def choose_(self, image):
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Odd Łódź")
        node.SetAndObserveImageData(image)
        self.selectNode(self.ui.ctVolumeSelector, node)
        return node

    def assertRefused(self):
        self.assertFalse(self.ui.applyButton.enabled)
        self.assertIn("holds no image: select another volume", self.ui.applyButton.toolTip)

    def test_no_voxels(self):
        self.choose_(vtk.vtkImageData())
        self.assertRefused()

    def test_voxels_without_values(self):
        image = vtk.vtkImageData()
        image.SetDimensions(3, 4, 5)
        self.choose_(image)
        self.assertRefused()

    def test_two_of_one_name(self):
        first, second = self.addPhantom("CT"), self.addPhantom("CT")
        for node in (second, first):
            self.selectNode(self.ui.ctVolumeSelector, node)
            self.assertIs(self.widget.sections["find"].ct.volume, node)
            self.assertTrue(self.ui.applyButton.enabled, self.ui.applyButton.toolTip)
