"""Function "Compare photons": every control, figures as a table, both sides as plots."""

from __future__ import annotations

from pathlib import Path

from phase_space_case import PhaseSpaceCase  # isort: skip (first: it makes the next ones known)
import slicer
from builders.phase_space_builder import write_phase_space


class TestPhaseSpaceCompare(PhaseSpaceCase):
    function = "phaseSpaceCompare"

    def photons(self, stem: str, seed: int, count: int = 1500) -> Path:
        """Photons of a formula; each second one starts a history."""
        from builders.photon_model_builder import FakePhotonModel

        rows = FakePhotonModel().tensor(count, seed).tolist()
        records = [(1, e if n % 2 else -e, x, y, u, v, 0.0, 0) for n, (x, y, u, v, _, e) in enumerate(rows)]
        return write_phase_space(self.folder, records, stem=stem)

    def prepare(self):
        """The smallest comparison of two files."""
        self.ui.compareRealEdit.currentPath = str(self.photons("real", 0))
        self.ui.compareGeneratedEdit.currentPath = str(self.photons("made", 5))
        self.ui.comparePhotonsSpinBox.value = 300
        self.ui.compareDrawsSpinBox.value = 2
        self.check(self.ui.compareClassifierCheckBox, False)
        self.choose(self.ui.compareDeviceSelector, "cpu")

    def figures(self):
        return self.parameters().compareTable

    def column(self, number: int) -> list[str]:
        return [self.figures().GetCellText(row, number) for row in range(self.figures().GetNumberOfRows())]

    def test_what_is_missing_is_said(self):
        self.assertIn("Choose the real phase space", self.ui.applyButton.toolTip)
        real = self.write()
        self.ui.compareRealEdit.currentPath = str(real)
        self.assertIn("Choose the generated phase space", self.ui.applyButton.toolTip)
        self.ui.compareGeneratedEdit.currentPath = str(real)
        self.assertTrue(self.ui.applyButton.enabled, self.ui.applyButton.toolTip)
        for name in ("Real", "Generated", "Floor", "Train"):
            edit = getattr(self.ui, f"compare{name}Edit")
            before = edit.currentPath
            edit.currentPath = str(self.folder / "none")
            self.assertIn("is no file", self.ui.applyButton.toolTip, name)
            edit.currentPath = before
        self.choose(self.ui.compareModelSelector, "Model in a folder")
        self.assertIn("Choose the folder of a trained model", self.ui.applyButton.toolTip)

    def test_a_model_takes_the_place_of_the_file(self):
        self.assertTrue(self.isShown(self.ui.compareGeneratedEdit))
        self.assertFalse(self.isShown(self.ui.compareModelFolderEdit))
        self.assertFalse(self.ui.compareMillionsSpinBox.enabled)
        self.choose(self.ui.compareModelSelector, "Model in a folder")
        self.assertFalse(self.isShown(self.ui.compareGeneratedEdit))
        self.assertTrue(self.isShown(self.ui.compareModelFolderEdit))
        self.assertTrue(self.ui.compareMillionsSpinBox.enabled)

    def test_figures_are_a_table_with_floors(self):
        self.prepare()
        self.assertIn("Done", self.runJob(120))
        names = self.column(0)
        self.assertIn("sliced W1", names)
        row = names.index("sliced W1")
        value, median, high = (float(self.column(n)[row]) for n in (1, 4, 2))
        self.assertGreater(value, 0)
        self.assertLessEqual(median, high)
        self.assertEqual(self.figures().GetColumnName(4), "floor, median")
        self.assertTrue(self.column(3)[row])
        self.assertIs(self.ui.compareTableView.mrmlTableNode(), self.figures())
        self.assertEqual(self.figures().GetAttribute("Dose3D.Task"), "phsp compare")
        self.assertIn("made", self.figures().GetName())
        self.screenshot("phase_space_compare")
        self.click(self.ui.openReportButton)
        self.assertIn("report.html", self.ui.statusLabel.text)
        self.assertTrue(self.panel.report.is_file())

    def test_both_sides_are_plots(self):
        self.keepLayout()
        before = self.contents()
        self.assertFalse(self.ui.comparePlotButton.enabled)
        self.assertIn("Nothing was compared", self.ui.comparePlotButton.toolTip)
        self.prepare()
        self.runJob(120)
        for name in ("Mean energy in rings", "Energy"):
            self.choose(self.ui.comparePlotSelector, name)
            self.click(self.ui.comparePlotButton)
            charts = slicer.util.getNodesByClass("vtkMRMLPlotChartNode")
            self.assertEqual(len(charts), 1)
            series = [charts[0].GetNthPlotSeriesNode(n).GetName() for n in range(2)]
            self.assertEqual(series, ["original", "generated"])
        self.assertIn("energy (MeV)", charts[0].GetXAxisTitle())
        table = charts[0].GetNthPlotSeriesNode(0).GetTableNode()
        energies = slicer.util.arrayFromTableColumn(table, "energy (MeV)")
        for name in ("original", "generated"):
            shares = slicer.util.arrayFromTableColumn(table, name)
            self.assertAlmostEqual(float(shares.sum() * (energies[1] - energies[0])), 1.0, places=4)
        self.click(self.ui.compareRemoveButton)
        self.assertEqual(self.contents(), before)
        self.assertFalse(self.isShown(self.ui.compareTableView))
        self.assertEqual(self.ui.comparePlotSelector.count, 0)

    def test_a_model_is_compared(self):
        from builders.photon_model_builder import save_small_model

        self.prepare()
        self.choose(self.ui.compareModelSelector, "Model in a folder")
        self.ui.compareModelFolderEdit.currentPath = str(save_small_model(self.folder / "small"))
        self.ui.compareMillionsSpinBox.value = 0.002
        self.assertIn("Done", self.runJob(120))
        self.assertIn("small", self.figures().GetName())
        self.assertTrue(self.column(3)[self.column(0).index("sliced W1")])

    def test_what_is_right_by_construction_is_marked(self):
        from Dose3DGui.comparison_display import showFigures

        figure = {"name": "W1 x", "unit": "cm", "value": 0.25, "floor": None, "verdict": "at the floor"}
        record = {"models": {"a": {"figures": {"W1 x": {**figure, "by_construction": True}}}}}
        table = showFigures(record, "a compared with b", {})
        cells = [table.GetCellText(0, column) for column in range(table.GetNumberOfColumns())]
        self.assertEqual(cells, ["W1 x (cm)", "0.25", "", "at the floor, right by construction", "", ""])

    def test_results_are_kept_and_replaced(self):
        self.prepare()
        self.ui.compareFolderEdit.currentPath = str(self.folder / "kept")
        self.assertIn("Done", self.runJob(120))
        self.assertTrue((self.folder / "kept" / "report.html").is_file())
        nodes = slicer.mrmlScene.GetNumberOfNodes()
        self.assertIn("exists already", self.runJob(120))
        self.check(self.ui.compareReplaceCheckBox, True)
        self.assertIn("Done", self.runJob(120))
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), nodes)
        first = self.figures()
        self.selectNode(self.ui.compareTableSelector, None)
        self.assertFalse(self.isShown(self.ui.compareTableView))
        self.selectNode(self.ui.compareTableSelector, first)
        self.assertTrue(self.isShown(self.ui.compareTableView))

    def test_every_setting_reaches_the_task(self):
        self.prepare()
        more = self.write(stem="more")
        self.ui.compareFloorEdit.currentPath = str(more)
        self.ui.compareTrainEdit.currentPath = str(more)
        self.check(self.ui.compareQuickCheckBox, True)
        self.check(self.ui.compareDoseCheckBox, True)
        self.ui.compareSeedSpinBox.value = 9
        text = self.command()
        for words in (
            f"phsp compare {self.folder / 'real.IAEAphsp'} {self.folder / 'made.IAEAphsp'}", f"--floor {more}",
            f"--train {more}", "--photons 300", "--draws 2", "--no-classifier", "--dose", "--quick", "--device cpu",
            "--seed 9",
        ):  # fmt: skip
            self.assertIn(words, text)
        self.choose(self.ui.compareModelSelector, "Model in a folder")
        from builders.photon_model_builder import save_small_model

        model = save_small_model(self.folder / "small")
        self.ui.compareModelFolderEdit.currentPath = str(model)
        self.ui.compareMillionsSpinBox.value = 2.5
        text = self.command()
        for words in (f"--model {model}", "--make 2500000"):
            self.assertIn(words, text)
        self.assertNotIn("made.IAEAphsp", text)
