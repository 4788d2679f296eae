"""Module Dose3DPhaseSpace: every control, real jobs on a small IAEA file whose photons follow a rule."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from phase_space_case import PhaseSpaceCase  # isort: skip (first: it makes the next ones known)
import slicer
from builders.phase_space_builder import beam_records, write_phase_space


class TestPhaseSpace(PhaseSpaceCase):
    def useFile(self, count: int = 500) -> Path:
        path = write_phase_space(self.folder, beam_records(count))
        self.ui.phaseSpacePathEdit.currentPath = str(path)
        return path

    def points(self):
        return self.widget.sections["photons"].currentParameters().shownPoints

    def places(self) -> np.ndarray:
        return np.array(slicer.util.arrayFromModelPoints(self.points()))

    def summary(self) -> dict[str, str]:
        return self.table(self.ui.summaryTable)

    def test_scripts_have_the_file_by_the_logic(self):
        found = self.logic.open(write_phase_space(self.folder, beam_records(120)))
        self.assertEqual(found.count, 120)

    def test_what_is_missing_is_said(self):
        self.assertFalse(self.ui.applyButton.enabled)
        self.assertIn("Choose a phase space", self.ui.applyButton.toolTip)
        self.ui.phaseSpacePathEdit.currentPath = str(self.folder / "none.IAEAphsp")
        self.assertIn("is no file", self.ui.applyButton.toolTip)
        self.useFile()
        self.assertTrue(self.ui.applyButton.enabled)

    def test_nothing_is_shown_before_the_first_result(self):
        for name in (
            "pointsCheckBox",
            "pointSizeSlider",
            "linesCheckBox",
            "lineLengthSlider",
            "plotSelector",
            "otherPointsSelector",
            "plotButton",
            "removePhotonsButton",
        ):
            self.assertFalse(getattr(self.ui, name).enabled, name)
            self.assertIn("No photons", getattr(self.ui, name).toolTip)
        self.assertEqual(self.ui.summaryTable.rowCount, 0)

    def test_photons_are_points_in_millimetres(self):
        self.useFile()
        self.ui.phaseSpacePointsSpinBox.value = 200
        self.assertIn("Done", self.runJob())
        places = self.places()
        self.assertEqual(places.shape, (200, 3))
        self.assertTrue(np.allclose(places[:, 2], 270, atol=1e-3))
        known = {(round(10 * r[2], 2), round(10 * r[3], 2)) for r in beam_records(500)}
        self.assertTrue({(round(float(x), 2), round(float(y), 2)) for x, y, _ in places} <= known)
        self.assertEqual(self.points().GetDisplayNode().GetActiveScalarName(), "energy (MeV)")
        self.assertEqual(self.points().GetAttribute("Dose3D.Task"), "phsp info")
        self.assertEqual(self.points().GetName(), "beam photons")
        self.screenshot("phase_space")

    def test_the_table_says_what_the_file_holds(self):
        self.useFile()
        self.runJob()
        table = self.summary()
        self.assertEqual(table["particles"], "500")
        self.assertEqual(table["histories"], "1,000")
        self.assertEqual(table["z"], "27 cm")
        self.assertTrue(table["photons"].startswith("500; mean"))
        self.assertIn("Z along the beam", self.ui.frameLabel.text)
        self.assertIn("R, A, S", self.ui.frameLabel.text)

    def test_the_seed_decides_which_photons(self):
        self.useFile()
        self.ui.phaseSpacePointsSpinBox.value = 50
        self.runJob()
        first = self.places()
        self.runJob()
        self.assertTrue(np.array_equal(first, self.places()))
        self.ui.phaseSpaceSeedSpinBox.value = 5
        self.runJob()
        self.assertFalse(np.array_equal(first, self.places()))

    def test_running_again_replaces_what_was_shown(self):
        self.useFile()
        self.runJob()
        nodes = slicer.mrmlScene.GetNumberOfNodes()
        self.runJob()
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), nodes)

    def test_points_can_be_hidden_and_made_larger(self):
        self.useFile()
        self.runJob()
        display = self.points().GetDisplayNode()
        self.assertTrue(display.GetVisibility())
        self.check(self.ui.pointsCheckBox, False)
        self.assertFalse(display.GetVisibility())
        self.check(self.ui.pointsCheckBox, True)
        self.assertTrue(display.GetVisibility())
        self.ui.pointSizeSlider.value = 6
        self.assertEqual(display.GetPointSize(), 6)

    def lines(self):
        return self.points().GetNodeReference("dose3dLines")

    def lengths(self) -> np.ndarray:
        """Of the lines, mm: VTK's own cells."""
        data = self.lines().GetPolyData()
        ids = [[data.GetCell(n).GetPointId(end) for end in (0, 1)] for n in range(data.GetNumberOfLines())]
        ends = np.array([[data.GetPoint(one) for one in pair] for pair in ids])
        return np.linalg.norm(ends[:, 1] - ends[:, 0], axis=-1)

    def test_lines_go_along_the_flight(self):
        self.useFile()
        self.ui.phaseSpacePointsSpinBox.value = 100
        self.runJob()
        self.assertIsNone(self.lines())
        self.check(self.ui.linesCheckBox, True)
        self.assertEqual(self.lines().GetPolyData().GetNumberOfLines(), 100)
        self.assertTrue(np.allclose(self.lengths(), 200, rtol=1e-4))
        self.ui.lineLengthSlider.value = 50
        self.assertTrue(np.allclose(self.lengths(), 500, rtol=1e-4))
        self.assertTrue(self.lines().GetDisplayNode().GetVisibility())
        self.screenshot("phase_space_lines")
        self.check(self.ui.linesCheckBox, False)
        self.assertFalse(self.lines().GetDisplayNode().GetVisibility())

    def test_one_legend_for_points_and_lines(self):
        self.useFile()
        self.runJob()
        self.check(self.ui.linesCheckBox, True)
        legends = slicer.util.getNodesByClass("vtkMRMLColorLegendDisplayNode")
        self.assertEqual([bool(one.GetVisibility()) for one in legends], [True, False])
        self.check(self.ui.pointsCheckBox, False)
        self.assertTrue(legends[1].GetVisibility())

    def chart(self):
        """The chart of the plot view."""
        selection = slicer.util.getNodesByClass("vtkMRMLSelectionNode")[0]
        return slicer.mrmlScene.GetNodeByID(selection.GetActivePlotChartID())

    def columns(self) -> dict[str, np.ndarray]:
        table = self.chart().GetNthPlotSeriesNode(0).GetTableNode()
        names = [table.GetColumnName(n) for n in range(table.GetNumberOfColumns())]
        return {name: slicer.util.arrayFromTableColumn(table, name) for name in names}

    def test_the_spectrum_is_a_plot(self):
        self.useFile()
        self.runJob()
        layout = self.keepLayout()
        before = layout.GetViewArrangement()
        self.click(self.ui.plotButton)
        self.assertNotEqual(layout.GetViewArrangement(), before)
        shares, energies = self.columns()["share per MeV"], self.columns()["energy (MeV)"]
        self.assertAlmostEqual(float(shares.sum() * (energies[1] - energies[0])), 1.0, places=4)
        self.assertIn("plot is shown in a plot view, of all photons that were read", self.ui.statusLabel.text)

    def test_each_variable_has_its_plot(self):
        self.useFile()
        self.runJob()
        self.keepLayout()
        known = {"X": "X (cm)", "Y": "Y (cm)", "dX": "dX", "dY": "dY", "dZ": "dZ"}
        known["Fluence"] = "distance from the axis (cm)"
        for kind, title in known.items():
            self.choose(self.ui.plotSelector, kind)
            self.click(self.ui.plotButton)
            self.assertEqual(self.chart().GetXAxisTitle(), title)
        self.choose(self.ui.plotSelector, "X")
        self.click(self.ui.plotButton)
        found = self.columns()
        photons = self.places()[:, 0] / 10
        counts, edges = np.histogram(photons, 80, (photons.min(), photons.max()))
        self.assertTrue(np.allclose(found["X (cm)"], (edges[1:] + edges[:-1]) / 2, atol=1e-3))
        self.assertAlmostEqual(float(found["share per cm"].max()), counts.max() / 500 / (edges[1] - edges[0]), places=3)
        self.assertEqual(len(slicer.util.getNodesByClass("vtkMRMLPlotChartNode")), 1)

    def test_two_sets_in_one_plot(self):
        self.useFile()
        self.runJob()
        first = self.points()
        columns = {name: np.zeros(4) for name in ("x_cm", "y_cm", "z_cm", "u", "v")}
        columns |= {"w": np.ones(4), "weight": np.ones(4), "energy_mev": np.array([1.0, 1.0, 1.0, 2.0])}
        photons = self.widget.sections["photons"]
        other = photons.bring(columns, "generated", {"rows": {"photons": "4"}}, {})
        self.keepLayout()
        self.selectNode(self.ui.shownPointsSelector, first)
        self.selectNode(self.ui.otherPointsSelector, other)
        self.click(self.ui.plotButton)
        found = self.columns()
        self.assertEqual(list(found), ["energy (MeV)", "beam photons", "generated"])
        width = found["energy (MeV)"][1] - found["energy (MeV)"][0]
        self.assertAlmostEqual(float(found["generated"].max()) * width, 0.75, places=5)
        self.assertTrue(self.chart().GetLegendVisibility())
        self.assertIn("in the scene", self.ui.statusLabel.text)

    def test_remove_takes_everything_back(self):
        self.useFile()
        self.keepLayout()
        before = self.contents()
        self.runJob()
        self.check(self.ui.linesCheckBox, True)
        self.click(self.ui.plotButton)
        self.assertGreater(len(self.contents()), len(before))
        self.click(self.ui.removePhotonsButton)
        self.assertEqual(self.contents(), before)
        self.assertFalse(self.ui.removePhotonsButton.enabled)
        self.assertEqual(self.ui.summaryTable.rowCount, 0)

    def test_how_much_is_read_is_bounded(self):
        path = self.useFile()
        self.ui.phaseSpaceLimitSpinBox.value = 3
        self.click(self.ui.copyPythonButton)
        self.assertIn("limit=3000000", slicer.app.clipboard().text())
        self.ui.phaseSpaceSeedSpinBox.value = 8
        self.ui.phaseSpacePointsSpinBox.value = 77
        self.click(self.ui.copyCommandButton)
        text = slicer.app.clipboard().text()
        for words in ("dose3d phsp info", str(path), "--points 77", "--seed 8", "--limit 3000000"):
            self.assertIn(words, text)

    def test_a_file_without_z_and_unit_is_told_both(self):
        table = np.array([[1.5, -0.2, 0.1, 0, 0, 1.0], [2.5, 0.3, 0.4, 0, 0, 1.0]], np.float32)
        np.save(self.folder / "photons.npy", table)
        self.ui.phaseSpacePathEdit.currentPath = str(self.folder / "photons.npy")
        self.assertIn("no column of Z", self.runJob())
        self.assertTrue(np.allclose(sorted(self.places().tolist()), [[-0.2, 0.1, 0], [0.3, 0.4, 0]], atol=1e-5))
        self.assertFalse(self.ui.phaseSpacePlaneSpinBox.enabled)
        self.check(self.ui.phaseSpacePlaneCheckBox, True)
        self.ui.phaseSpacePlaneSpinBox.value = 12.5
        self.choose(self.ui.phaseSpaceUnitSelector, "m")
        self.assertIn("Done", self.runJob())
        self.assertTrue(np.allclose(sorted(self.places().tolist()), [[-200, 100, 125], [300, 400, 125]], atol=1e-3))

    def test_results_are_kept_where_wanted_and_replaced_when_asked(self):
        self.useFile()
        self.ui.phaseSpaceFolderEdit.currentPath = str(self.folder / "kept")
        self.assertIn("Done", self.runJob())
        for name in ("points.csv", "scene.mrb"):
            self.assertTrue((self.folder / "kept" / name).is_file())
        self.assertIn("exists already", self.runJob())
        self.check(self.ui.phaseSpaceReplaceCheckBox, True)
        self.assertIn("Done", self.runJob())

    def test_a_file_without_its_header_is_refused(self):
        path = self.useFile()
        path.with_suffix(".IAEAheader").unlink()
        self.assertIn("beside it", self.runJob())
        self.assertIsNone(self.points())

    def test_the_page_survives_saving_and_loading(self):
        self.useFile()
        self.ui.phaseSpacePointsSpinBox.value = 60
        self.runJob()
        self.keepLayout()
        self.check(self.ui.linesCheckBox, True)
        self.click(self.ui.plotButton)
        path = self.folder / "saved.mrb"
        self.assertTrue(slicer.util.saveScene(str(path)))
        slicer.mrmlScene.Clear(0)
        self.assertEqual(self.ui.summaryTable.rowCount, 0)
        slicer.util.loadScene(str(path))
        self.assertEqual(self.ui.phaseSpacePointsSpinBox.value, 60)
        self.assertEqual(self.summary()["particles"], "500")
        self.assertEqual(self.places().shape, (60, 3))
        self.assertEqual(self.points().GetNodeReference("dose3dLines").GetPolyData().GetNumberOfLines(), 60)
        self.click(self.ui.plotButton)

    def test_other_photons_bring_their_own_numbers(self):
        self.useFile()
        self.runJob()
        first = self.points()
        self.selectNode(self.ui.shownPointsSelector, None)
        self.assertEqual(self.ui.summaryTable.rowCount, 0)
        self.selectNode(self.ui.shownPointsSelector, first)
        self.assertEqual(self.summary()["particles"], "500")

    def test_no_photon_at_all(self):
        path = write_phase_space(self.folder, [(2, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0)] * 20, stem="electrons")
        self.ui.phaseSpacePathEdit.currentPath = str(path)
        self.assertIn("0 photons", self.runJob())
        self.assertEqual(self.points().GetPolyData().GetNumberOfPoints(), 0)
        self.assertTrue(self.summary()["electrons"].startswith("20;"))

    def test_the_real_file(self):
        path = self.shared("phasespace_6mv/jaws_10x10.IAEAphsp")
        self.ui.phaseSpacePathEdit.currentPath = str(path)
        self.assertIn("Done", self.runJob())
        self.assertEqual(self.summary()["particles"], "118,163")
        self.assertEqual(len(self.places()), 10000)
        self.screenshot("phase_space_jaws")

    def test_closing_the_scene_ends_the_job(self):
        self.useFile()
        self.click(self.ui.applyButton)
        slicer.mrmlScene.Clear(0)
        self.waitUntil(lambda: not self.widget.panel.busy, 10)
        self.assertEqual(slicer.util.getNodesByClass("vtkMRMLTableNode"), [])
