"""The DICOM database: which files are there, by patient, study, series and instance, indexed with pydicom."""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
import types
import uuid
from pathlib import Path

from PySide6.QtCore import Property, QObject, Signal, Slot

TAGS = ["PatientID", "PatientName", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "Modality"]
TAGS += ["SeriesDescription"]


class ctkDICOMDatabase(QObject):
    """`slicer.dicomDatabase`: in memory, over files that stay where they are."""

    databaseChanged = Signal()
    instanceAdded = Signal(str)

    def __init__(self, parent: QObject | None = None):
        super().__init__(parent)
        self._instances: dict[str, dict] = {}
        self._is_open = True
        self.own_folder = tempfile.mkdtemp(prefix="standin-dicom-")
        atexit.register(shutil.rmtree, self.own_folder, ignore_errors=True)

    isOpen = Property(bool, lambda self: self._is_open)

    def add_file(self, path: Path) -> bool:
        """Index one file; False when it is no DICOM."""
        import pydicom

        try:
            data = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=[*TAGS])
        except (pydicom.errors.InvalidDicomError, OSError):
            return False
        if not data.get("SOPInstanceUID"):
            return False
        entry = {tag: str(data.get(tag, "")) for tag in TAGS}
        self._instances[entry["SOPInstanceUID"]] = {**entry, "path": str(path)}
        self.instanceAdded.emit(entry["SOPInstanceUID"])
        return True

    def series_of(self, paths) -> list[str]:
        wanted = {str(path) for path in paths}
        found = [entry["SeriesInstanceUID"] for entry in self._instances.values() if entry["path"] in wanted]
        return list(dict.fromkeys(found))

    def _distinct(self, tag: str, **wanted) -> list[str]:
        hits = [e for e in self._instances.values() if all(e[key] == value for key, value in wanted.items())]
        return list(dict.fromkeys(entry[tag] for entry in hits))

    def _entry_of_file(self, path: str) -> dict:
        return next((entry for entry in self._instances.values() if entry["path"] == str(path)), {})

    @Slot(result="QStringList")
    def patients(self) -> list[str]:
        return self._distinct("PatientID")

    @Slot(str, result="QStringList")
    def studiesForPatient(self, patientUID: str) -> list[str]:
        return self._distinct("StudyInstanceUID", PatientID=patientUID)

    @Slot(str, result="QStringList")
    def seriesForStudy(self, studyUID: str) -> list[str]:
        return self._distinct("SeriesInstanceUID", StudyInstanceUID=studyUID)

    @Slot(str, result="QStringList")
    def instancesForSeries(self, seriesUID: str) -> list[str]:
        return self._distinct("SOPInstanceUID", SeriesInstanceUID=seriesUID)

    @Slot(str, result="QStringList")
    def filesForSeries(self, seriesUID: str) -> list[str]:
        return self._distinct("path", SeriesInstanceUID=seriesUID)

    @Slot(str, result=str)
    def fileForInstance(self, sopInstanceUID: str) -> str:
        return self._instances.get(sopInstanceUID, {}).get("path", "")

    @Slot(str, result=str)
    def instanceForFile(self, fileName: str) -> str:
        return self._entry_of_file(fileName).get("SOPInstanceUID", "")

    @Slot(str, result=str)
    def seriesForFile(self, fileName: str) -> str:
        return self._entry_of_file(fileName).get("SeriesInstanceUID", "")

    @Slot(str, result=str)
    def studyForSeries(self, seriesUID: str) -> str:
        return next(iter(self._distinct("StudyInstanceUID", SeriesInstanceUID=seriesUID)), "")

    @Slot(str, result=str)
    def patientForStudy(self, studyUID: str) -> str:
        return next(iter(self._distinct("PatientID", StudyInstanceUID=studyUID)), "")

    @Slot(str, result=str)
    def descriptionForSeries(self, seriesUID: str) -> str:
        return next(iter(self._distinct("SeriesDescription", SeriesInstanceUID=seriesUID)), "")

    @Slot(result="QStringList")
    def allFiles(self) -> list[str]:
        return [entry["path"] for entry in self._instances.values()]

    @Slot(str, str, result=str)
    def fileValue(self, fileName: str, tag: str) -> str:
        """Value of a tag such as '0008,0060' in a file, as text."""
        import pydicom

        if not Path(fileName).is_file():
            return ""
        group, _, element = tag.partition(",")
        found = pydicom.dcmread(fileName, stop_before_pixels=True).get((int(group, 16), int(element, 16)))
        if found is None:
            return ""
        return "\\".join(map(str, found.value)) if found.VM > 1 else str(found.value)

    @Slot(str, str, result=str)
    def instanceValue(self, sopInstanceUID: str, tag: str) -> str:
        return self.fileValue(self.fileForInstance(sopInstanceUID), tag)

    @Slot(str, result=bool)
    def removeSeries(self, seriesInstanceUID: str) -> bool:
        gone = self.instancesForSeries(seriesInstanceUID)
        for uid in gone:
            del self._instances[uid]
        self.databaseChanged.emit()
        return bool(gone)


def import_dicom(database: ctkDICOMDatabase, folder: Path, copy_files: bool = False) -> bool:
    """Index all files below a folder, or copies of them in the database's own; True when there was a DICOM file."""
    if copy_files:
        folder = shutil.copytree(folder, Path(database.own_folder) / uuid.uuid4().hex)
    found = [database.add_file(path) for path in sorted(Path(folder).rglob("*")) if path.is_file()]
    database.databaseChanged.emit()
    return any(found)


def _place_along_normal(entry: dict) -> float:
    """Where a slice lies along the normal of its plane, in mm; instance numbers need not follow."""
    import numpy as np
    import pydicom

    data = pydicom.dcmread(entry["path"], stop_before_pixels=True)
    row, column = np.reshape(np.asarray(data.ImageOrientationPatient, float), (2, 3))
    return float(np.cross(row, column) @ np.asarray(data.ImagePositionPatient, float))


def load_series(core, database: ctkDICOMDatabase, uid: str) -> list[str]:
    """Load an image series as a volume named after it; returns the node's ID, nothing for other series."""
    from vtk import vtkStringArray

    files = database.filesForSeries(uid)
    entries = [database._entry_of_file(path) for path in files]
    if not files or entries[0]["Modality"] not in ("CT", "MR", "PT"):
        return []
    ordered = sorted(entries, key=_place_along_normal)
    names = vtkStringArray()
    for entry in ordered:
        names.InsertNextValue(entry["path"])
    name = entries[0]["SeriesDescription"] or entries[0]["Modality"]
    node = core.logics["Volumes"].AddArchetypeVolume(ordered[0]["path"], name, 0, names)
    if node is None:
        return []
    node.SetAttribute("DICOM.instanceUIDs", " ".join(entry["SOPInstanceUID"] for entry in ordered))
    return [node.GetID()]


def install_dicom(application) -> None:
    """`slicer.dicomDatabase` and `DICOMLib.DICOMUtils`."""
    import slicer

    from standin.pythonqt import StandInGap, wrap

    from .gaps import shown_class

    shown_class(ctkDICOMDatabase)
    database = application.dicom = ctkDICOMDatabase(application)
    slicer.dicomDatabase = wrap(database)

    def importDicom(dicomDataDir, dicomDatabase=None, copyFiles=False):
        return import_dicom(database, dicomDataDir, copyFiles)

    def loadSeriesByUID(seriesUIDs):
        if not isinstance(seriesUIDs, (list, tuple)):
            raise ValueError("loadSeriesByUID takes a list of UIDs")
        return [node for uid in seriesUIDs for node in load_series(application.core, database, uid)]

    def missing(name):
        raise StandInGap(f"DICOMLib.{name} is not in the stand-in")

    utils = types.ModuleType("DICOMLib.DICOMUtils")
    utils.importDicom, utils.loadSeriesByUID = importDicom, loadSeriesByUID
    utils.__getattr__ = _missing_of("DICOMLib.DICOMUtils", missing)
    library = types.ModuleType("DICOMLib")
    library.DICOMUtils = utils
    library.__path__ = []
    library.__getattr__ = _missing_of("DICOMLib", missing)
    sys.modules["DICOMLib"], sys.modules["DICOMLib.DICOMUtils"] = library, utils


def _missing_of(owner: str, missing):
    def lookup(name):
        if name.startswith("__"):
            raise AttributeError(name)
        return missing(f"{owner}.{name}")

    return lookup
