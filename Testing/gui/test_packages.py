"""Packages at Apply: what is missing is named, installed once, and never at the cost of Slicer's own."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import types
from pathlib import Path
from unittest import mock

from gui_case import GuiCase  # isort: skip (first: without Slicer it makes the next ones known)
import slicer
from Dose3DGui import packages


class PackagesTest(GuiCase):
    """Installers are recorded instead of run; the versions that are there are given by each test."""

    moduleName = "Dose3D"

    def setUp(self):
        super().setUp()
        self.versions = {"torch": "2.13.0"}
        self.versions |= {packages._requirement(line).name: self.newest(line) for line in packages._requirementLines()}
        self.versions |= {"numpy": "2.1.0", "vtk": "9.5.0", "scipy": "1.15.0"}
        self.calls = []
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.patch(packages, "_version", lambda name: self.versions.get(name, ""))
        self.patch(packages, "_mayInstall", lambda: True)
        self.patch(packages, "wheelFolder", lambda: None)
        self.patch(slicer.util, "pip_install", self.onPip)

    def patch(self, owner, name, value):
        self.stack.enter_context(mock.patch.object(owner, name, value))

    @staticmethod
    def newest(line):
        """A version that fulfils a requirement such as `name>=1.2,<2`."""
        return line.split(">=")[1].split(",")[0]

    def onPip(self, arguments, **options):
        """Installs what it is told, and remembers the constraints."""
        self.calls.append(list(arguments))
        constraints = Path(arguments[arguments.index("--constraint") + 1])
        self.constraints = constraints.read_text(encoding="utf-8").split()
        for line in arguments:
            if ">=" in line:
                self.versions[packages._requirement(line).name] = self.newest(line)

    def onPipFails(self, arguments, **options):
        raise RuntimeError("no network")

    def withoutSlicerPackaging(self):
        """As in a Slicer before 5.10."""
        self.stack.enter_context(mock.patch.dict(sys.modules, {"slicer.packaging": None}))
        if hasattr(slicer, "packaging"):
            self.patch(slicer, "packaging", None)
            del slicer.packaging

    def test_nothing_is_done_when_all_is_there(self):
        packages.ensurePackages()
        self.assertEqual(self.calls, [])
        self.assertEqual(packages.packagesAdvice(), "")

    def test_nothing_is_installed_while_slicer_tests(self):
        self.versions.clear()
        self.patch(packages, "_mayInstall", lambda: False)
        packages.ensurePackages()
        self.assertEqual(self.calls, [])

    def test_advice_names_what_is_missing(self):
        self.versions.pop("monai")
        self.versions["torch"] = "2.0"
        self.assertEqual([line.split(">")[0] for line in packages.missingPackages()], ["torch", "monai"])
        self.assertIn("torch, monai", packages.packagesAdvice())

    def test_a_version_out_of_range_is_missing(self):
        self.versions["pydicom"] = "2.4.4"
        self.assertEqual(packages.missingPackages(), ["pydicom>=3.0,<4"])

    def test_without_the_pytorch_extension_the_error_says_what_to_do(self):
        self.versions.pop("torch")
        with mock.patch.dict(sys.modules, {"PyTorchUtils": None}), self.assertRaises(RuntimeError) as caught:
            packages.ensurePackages()
        self.assertIn("install the extension PyTorch", str(caught.exception))
        self.assertEqual(self.calls, [])

    def test_pytorch_comes_through_its_extension(self):
        self.versions.pop("torch")
        asked = []

        class Logic:
            def installTorch(logic, **options):
                asked.append(options)
                self.versions["torch"] = "2.13.0+cu128"
                return types.ModuleType("torch")

        module = types.SimpleNamespace(PyTorchUtilsLogic=Logic)
        with mock.patch.dict(sys.modules, {"PyTorchUtils": module}):
            packages.ensurePackages()
        self.assertEqual(asked, [{"askConfirmation": True, "torchVersionRequirement": ">=2.8"}])

    def test_a_refused_pytorch_starts_nothing(self):
        self.versions.pop("torch")
        logic = mock.Mock(**{"installTorch.return_value": None})
        module = types.SimpleNamespace(PyTorchUtilsLogic=lambda: logic)
        with mock.patch.dict(sys.modules, {"PyTorchUtils": module}), self.assertRaises(RuntimeError) as caught:
            packages.ensurePackages()
        self.assertIn("nothing was started", str(caught.exception))

    def test_slicer_packaging_gets_requirements_and_constraints(self):
        self.versions.pop("einops")
        given = {}

        def pip_ensure(requirements, constraints=None, requester=None):
            given.update(names=[str(r) for r in requirements], requester=requester)
            given["constraints"] = Path(constraints).read_text(encoding="utf-8").split()
            self.versions["einops"] = "0.8"

        from slicer import packaging

        with mock.patch.object(packaging, "pip_ensure", pip_ensure):
            packages.ensurePackages()
        self.assertIn("monai", " ".join(given["names"]))
        self.assertEqual(given["requester"], "Dose3D")
        self.assertIn("numpy==2.1.0", given["constraints"])
        self.assertIn("vtk==9.5.0", given["constraints"])

    def test_an_older_slicer_asks_and_installs_only_what_is_missing(self):
        self.versions.pop("einops")
        self.withoutSlicerPackaging()
        self.patch(slicer.util, "confirmOkCancelDisplay", lambda text: "einops" in text)
        packages.ensurePackages()
        self.assertEqual(self.calls[0][:2], [self.line("einops"), "--constraint"])
        self.assertIn("numpy==2.1.0", self.constraints)

    def test_an_older_slicer_takes_no_for_an_answer(self):
        self.versions.pop("einops")
        self.withoutSlicerPackaging()
        self.patch(slicer.util, "confirmOkCancelDisplay", lambda text: False)
        with self.assertRaises(RuntimeError):
            packages.ensurePackages()
        self.assertEqual(self.calls, [])

    def test_a_failing_pip_becomes_one_sentence(self):
        self.versions.pop("einops")
        self.withoutSlicerPackaging()
        self.patch(slicer.util, "confirmOkCancelDisplay", lambda text: True)
        self.patch(slicer.util, "pip_install", self.onPipFails)
        with self.assertRaises(RuntimeError) as caught:
            packages.ensurePackages()
        text = str(caught.exception)
        self.assertIn("no network", text)
        self.assertIn("wheels into a folder", text)
        self.assertNotIn("\n", text)

    def test_wheels_from_a_folder_need_no_internet(self):
        self.versions.pop("torch")
        self.versions.pop("einops")
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "einops-0.8.1-py3-none-any.whl").touch()
            self.patch(packages, "wheelFolder", lambda: Path(folder))
            packages.ensurePackages()
            arguments = self.calls[0]
            self.assertEqual(arguments[:2], ["torch>=2.8", self.line("einops")])
            self.assertIn("--no-index", arguments)
            self.assertEqual(arguments[arguments.index("--find-links") + 1], folder)
        self.assertFalse(any(pin.startswith("torch==") for pin in self.constraints))

    def test_a_folder_without_wheels_is_refused(self):
        self.versions.pop("einops")
        with tempfile.TemporaryDirectory() as folder:
            self.patch(packages, "wheelFolder", lambda: Path(folder))
            with self.assertRaises(RuntimeError) as caught:
                packages.ensurePackages()
        self.assertIn("holds no wheels", str(caught.exception))
        self.assertEqual(self.calls, [])

    def test_the_section_names_what_is_missing_and_installs_it(self):
        self.widget.sections["packages"].setParameterNode(self.logic.getParameterNode())
        self.assertIn("All packages are installed", self.ui.packagesLabel.text)
        self.assertFalse(self.ui.installPackagesButton.enabled)
        self.versions.pop("einops")
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "einops-0.8.1-py3-none-any.whl").touch()
            self.patch(packages, "wheelFolder", lambda: Path(folder))
            self.ui.packagesCollapsibleButton.collapsed = False
            self.widget.sections["packages"].setParameterNode(self.logic.getParameterNode())
            self.assertIn("einops", self.ui.packagesLabel.text)
            self.click(self.ui.installPackagesButton)
        self.assertEqual(len(self.calls), 1)
        self.assertIn("All packages are installed", self.ui.packagesLabel.text)

    def test_the_section_says_why_an_installation_failed(self):
        self.versions.pop("torch")
        self.ui.packagesCollapsibleButton.collapsed = False
        self.widget.sections["packages"].setParameterNode(self.logic.getParameterNode())
        with mock.patch.dict(sys.modules, {"PyTorchUtils": None}):
            self.click(self.ui.installPackagesButton)
        self.assertIn("install the extension PyTorch", self.ui.packagesLabel.text)

    def test_the_folder_of_wheels_is_kept_for_all_scenes(self):
        before = slicer.app.settings().value(packages.WHEEL_FOLDER_SETTING)
        self.addCleanup(lambda: slicer.app.settings().setValue(packages.WHEEL_FOLDER_SETTING, before or ""))
        self.ui.wheelFolderPath.currentPath = "/clinic/wheels"
        slicer.mrmlScene.Clear(False)
        self.assertEqual(slicer.util.settingsValue(packages.WHEEL_FOLDER_SETTING, ""), "/clinic/wheels")
        self.ui.wheelFolderPath.currentPath = ""
        self.assertEqual(slicer.util.settingsValue(packages.WHEEL_FOLDER_SETTING, ""), "")

    def line(self, name):
        return next(line for line in packages._requirementLines() if packages._requirement(line).name == name)
