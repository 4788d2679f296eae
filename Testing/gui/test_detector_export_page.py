"""Module Dose3D Segment, function "Export detector": which settings are there for which format, and files that come."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import slicer

from gui_case import GuiCase  # isort: skip (first: inside Slicer it makes the next ones known)
from builders.detector_builder import small_layout
from Dose3DLib.detector.layout_csv import write_layout
from Dose3DLib.geometry.volume_files import read_volume


class TestDetectorExportPage(GuiCase):
    moduleName = "Dose3DSegment"

    def setUp(self):
        super().setUp()
        self.folder = Path(tempfile.mkdtemp(prefix="Dose3D-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.choose(self.ui.functionSelector, "Export detector")
        write_layout(small_layout(), self.folder / "layout.csv")

    def fill(self, form: str, name: str) -> Path:
        self.ui.detectorLayoutEdit.currentPath = str(self.folder / "layout.csv")
        self.choose(self.ui.detectorFormatSelector, form)
        self.ui.detectorOutputEdit.currentPath = str(self.folder / name)
        return self.folder / name

    def command(self) -> str:
        self.click(self.ui.copyCommandButton)
        return slicer.app.clipboard().text()

    def test_what_is_missing_is_said(self):
        self.assertIn("Choose the file of the detector's layout", self.ui.applyButton.toolTip)
        self.fill("g4rt", "")
        self.ui.detectorOutputEdit.currentPath = ""
        self.assertIn("Choose where to write", self.ui.applyButton.toolTip)
        self.fill("g4rt", "out")
        self.assertTrue(self.ui.applyButton.enabled)
        self.type(self.ui.detectorIsocenterEdit, "1 2")
        self.assertIn("Isocentre: write 3 numbers", self.ui.applyButton.toolTip)
        self.type(self.ui.detectorIsocenterEdit, "1 2 3")
        self.ui.detectorPlanEdit.currentPath = str(self.folder / "layout.csv")
        self.assertIn("leave one of the two out", self.ui.applyButton.toolTip)
        self.ui.detectorPlanEdit.currentPath = str(self.folder / "none.dcm")
        self.assertIn("is no file", self.ui.applyButton.toolTip)

    def test_rows_follow_the_format(self):
        there = {
            "g4rt": {"Surroundings", "Margin"},
            "gdml": {"Frame", "Surroundings", "Margin"},
            "stl": {"Frame", "Parts"},
            "labelmap": {"Margin", "Spacing", "CtSource"},
            "ct": {"Surroundings", "Margin", "Spacing", "Group", "Hu", "HuTable", "CtSource"},
            "rtstruct": {"Group", "CtSource"},
        }
        for form, names in there.items():
            self.choose(self.ui.detectorFormatSelector, form)
            every = ("Frame", "Surroundings", "Margin", "Spacing", "Group", "Parts", "Hu", "HuTable", "CtSource")
            shown = {name for name in every if self.isShown(getattr(self.ui, f"detector{name}Label"))}
            self.assertEqual(shown, names, form)
        self.assertEqual(self.ui.detectorOutputLabel.text, "Write file:")
        self.assertIn(".dcm", self.ui.detectorOutputEdit.toolTip)
        self.choose(self.ui.detectorFormatSelector, "g4rt")
        self.assertEqual(self.ui.detectorOutputLabel.text, "Write folder:")

    def test_a_simulation(self):
        out = self.fill("g4rt", "simulation")
        self.assertIn("Done", self.runJob())
        self.assertTrue(list(out.glob("*.csv")) or list(out.glob("*.toml")))
        table = self.ui.detectorTable
        rows = {table.item(row, 0).text(): table.item(row, 1).text() for row in range(table.rowCount)}
        self.assertEqual(rows["cells"], "11")
        self.assertEqual(rows["written"], str(out))
        self.screenshotOfResult("detector", "detector_export")
        self.assertIn("exists already", self.runJob())
        self.check(self.ui.detectorReplaceCheckBox, True)
        self.assertIn("Done", self.runJob())
        slicer.mrmlScene.Clear(0)
        self.assertEqual(table.rowCount, 0)

    def test_a_label_map_on_the_grid_of_a_volume(self):
        ct = self.addPhantom()
        out = self.fill("labelmap", "cells.nrrd")
        self.selectNode(self.ui.detectorCtVolumeSelector, ct)
        bounds = [0.0] * 6
        ct.GetRASBounds(bounds)
        middle = [(bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)]
        self.type(self.ui.detectorIsocenterEdit, f"{-middle[0]} {-middle[1]} {middle[2]}")
        self.assertIn("Done", self.runJob())
        labels = read_volume(out).array
        self.assertEqual(labels.shape, slicer.util.arrayFromVolume(ct).shape)
        self.assertEqual(len(np.unique(labels)) - 1, 11)

    def test_only_settings_of_the_format_reach_the_task(self):
        self.fill("stl", "detector.stl")
        self.choose(self.ui.detectorFrameSelector, "iec")
        self.choose(self.ui.detectorPartsSelector, "cells")
        self.choose(self.ui.detectorPositionSelector, "FFS")
        self.ui.detectorSizeSpinBox.value = 8
        self.ui.detectorMarginSpinBox.value = 20
        self.check(self.ui.detectorReplaceCheckBox, True)
        text = self.command()
        for words in ("--frame iec", "--parts cells", "--patient-position FFS", "--size 8.0", "--overwrite"):
            self.assertIn(words, text)
        self.assertNotIn("--margin", text)
        self.fill("ct", "ct")
        self.choose(self.ui.detectorSurroundingsSelector, "pmma")
        self.choose(self.ui.detectorGroupSelector, "layer")
        self.ui.detectorSpacingSpinBox.value = 1.5
        self.type(self.ui.detectorHuEdit, "140 120 0")
        text = self.command()
        for words in (
            "--margin 20.0", "--surroundings pmma", "--group layer", "--spacing 1.5", "--hu-cell 140.0",
            "--hu-wall 120.0", "--hu-surroundings 0.0",
        ):  # fmt: skip
            self.assertIn(words, text)
        self.assertNotIn("--frame", text)

    def test_the_last_layout_of_the_scene_is_offered(self):
        from Dose3DGui.cells_display import showLayout

        showLayout(small_layout(), self.folder / "layout.csv", {}, {})
        self.widget.chooseDefaults()
        self.assertEqual(self.ui.detectorLayoutEdit.currentPath, str(self.folder / "layout.csv"))

    def test_a_wrong_ending_is_one_line(self):
        out = self.fill("gdml", "detector.stl")
        self.assertIn("is no name for gdml", self.runJob())
        self.assertFalse(out.exists())
