"""Base of the tests of Dose3D Phase Space: a folder, small phase spaces, the table and the clipboard as texts."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import slicer

from gui_case import GuiCase  # isort: skip (first: inside Slicer it makes the next ones known)
from builders.phase_space_builder import beam_records, write_phase_space

__all__ = ["PhaseSpaceCase"]


class PhaseSpaceCase(GuiCase):
    """The page with one of its functions chosen.

    Attributes
    ----------
    function:
        the section's name.
    folder:
        of the test, removed after it.
    """

    moduleName = "Dose3DPhaseSpace"
    function = "phaseSpace"

    def setUp(self):
        super().setUp()
        self.folder = Path(tempfile.mkdtemp(prefix="Dose3D-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.section = self.widget.sections[self.function]
        self.choose(self.ui.functionSelector, self.section.title)

    def parameters(self):
        return self.section.currentParameters()

    def write(self, count: int = 500, stem: str = "beam") -> Path:
        """A phase space of photons on a plane, with a rule for each."""
        return write_phase_space(self.folder, beam_records(count), stem=stem)

    def table(self, table) -> dict[str, str]:
        return {table.item(row, 0).text(): table.item(row, 1).text() for row in range(table.rowCount)}

    def contents(self) -> list[str]:
        """The scene's nodes but for views, which the first plot makes one more of."""
        nodes = (slicer.mrmlScene.GetNthNode(n) for n in range(slicer.mrmlScene.GetNumberOfNodes()))
        return sorted(node.GetID() for node in nodes if not node.IsA("vtkMRMLAbstractViewNode"))

    def keepLayout(self):
        """The layout node, made where there is none; the test's end brings its arrangement back."""
        layouts = slicer.vtkMRMLLayoutLogic()
        layouts.SetMRMLScene(slicer.mrmlScene)
        layout = layouts.GetLayoutNode()
        self.addCleanup(layout.SetViewArrangement, layout.GetViewArrangement())
        return layout

    def command(self) -> str:
        """The command that does the same as the page."""
        self.click(self.ui.copyCommandButton)
        return slicer.app.clipboard().text()
