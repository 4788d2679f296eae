"""The phantom in Slicer's Sample Data."""

from __future__ import annotations

import sys
import types
from unittest import mock

from gui_case import GuiCase  # isort: skip (first: without Slicer it makes the next ones known)
import slicer
from Dose3DGui import sample_data


class SampleDataTest(GuiCase):
    moduleName = "Dose3D"

    def test_the_sample_is_registered_and_gives_a_ct(self):
        given = {}
        logic = types.SimpleNamespace(registerCustomSampleDataSource=lambda **facts: given.update(facts))
        with mock.patch.dict(sys.modules, {"SampleData": types.SimpleNamespace(SampleDataLogic=logic)}):
            sample_data.registerSampleData()
        self.assertEqual(given["category"], "Dose3D")
        (volume,) = given["customDownloader"](None)
        array = slicer.util.arrayFromVolume(volume)
        self.assertLess(array.min(), -900)
        self.assertGreater(array.max(), 300)
        composite = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
        self.assertEqual(composite.GetBackgroundVolumeID(), volume.GetID())

    def test_a_slicer_without_sample_data_goes_without(self):
        with mock.patch.dict(sys.modules, {"SampleData": None}):
            sample_data.registerSampleData()
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode"), 0)
