"""The stand-in's `qt` shows no attribute that the real one lacks, and properties where the real one has properties."""

from __future__ import annotations

import enum
import json
import re
from functools import cache

import pytest

pytest.importorskip("PySide6.QtWidgets", reason="needs PySide6 with Qt's system libraries")

import standin_probes  # noqa: E402
from PySide6.QtWidgets import QApplication  # noqa: E402
from standin.pythonqt import StandInGap, qt_module  # noqa: E402
from standin.pythonqt.enums import flags_name  # noqa: E402
from standin.pythonqt.members import PropertyMember  # noqa: E402
from standin.pythonqt.meta import table  # noqa: E402
from standin.pythonqt.natives import native_class  # noqa: E402

ROOT = standin_probes.HERE.parents[1]
# fmt: off
COMMON = [
    "QObject", "QWidget", "QPushButton", "QToolButton", "QCheckBox", "QRadioButton", "QButtonGroup", "QLabel",
    "QComboBox", "QSpinBox", "QDoubleSpinBox", "QSlider", "QLineEdit", "QProgressBar", "QScrollArea", "QTableView",
    "QTableWidget", "QTreeView", "QTreeWidget", "QListView", "QListWidget", "QHeaderView", "QTextEdit",
    "QPlainTextEdit", "QTextBrowser", "QTabWidget", "QGroupBox", "QFrame", "QSplitter", "QStackedWidget",
    "QDockWidget", "QMainWindow", "QMenu", "QMenuBar", "QToolBar", "QStatusBar", "QAction", "QActionGroup",
    "QShortcut", "QVBoxLayout", "QHBoxLayout", "QFormLayout", "QGridLayout", "QDialog", "QDialogButtonBox",
    "QMessageBox", "QFileDialog", "QInputDialog", "QProgressDialog", "QColorDialog", "QCompleter", "QTimer",
    "QProcess", "QSettings", "QCoreApplication", "QApplication", "QThread", "QItemSelectionModel",
    "QStandardItemModel", "QSortFilterProxyModel", "QStyledItemDelegate", "QIntValidator", "QDoubleValidator",
    "QClipboard", "QEventLoop", "QFile", "QIODevice", "QTableWidgetItem", "QTreeWidgetItem", "QListWidgetItem",
    "QStandardItem", "QColor", "QFont", "QIcon", "QPixmap", "QImage", "QPainter", "QPen", "QBrush", "QSize",
    "QPoint", "QRect", "QSizePolicy", "QSpacerItem", "QUrl", "QDir", "QFileInfo", "QDateTime", "QDate", "QTime",
    "QModelIndex", "QKeySequence", "QCursor", "QRegularExpression", "QByteArray", "QProcessEnvironment",
    "QStandardPaths", "QDesktopServices", "QPalette", "QTextCursor", "QFontMetrics", "QEvent", "QMouseEvent",
    "QKeyEvent", "QCloseEvent", "QMimeData", "QMargins", "QTemporaryDir",
]
# fmt: on
ADDED_BY_PYTHONQT = {"className", "connect", "delete", "disconnect", "findChild", "findChildren", "help", "inherits"}
ADDED_BY_PYTHONQT |= {"metaObject", "name", "parent", "property", "setParent", "setProperty", "tr"}
PYTHON_KEYWORDS = {"raise_", "exec_", "print_", "del_"}
"""C++ names that are keywords in Python (raise, exec, print, del) are called with an underscore."""

METHODS_OVER_PROPERTIES = {("QTimer", "singleShot")}  # as the probe P1-072 shows


@pytest.fixture(scope="module", autouse=True)
def application():
    return QApplication.instance() or QApplication(["test", "-platform", "offscreen"])


@pytest.fixture(scope="module")
def records() -> dict[str, dict]:
    if not standin_probes.PROBES.is_file():
        pytest.skip("needs the facts of the real desktop, which do not come with the repository")
    facts = json.loads(standin_probes.PROBES.read_text(encoding="utf-8"))
    return {**facts["qt_value_types"], **facts["qt_classes"]}


@cache
def used_names() -> set[str]:
    """Classes of Qt that our modules, pages and tests name."""
    found = set()
    for folder in ("Dose3D", "Dose3DSegment", "Dose3DPhaseSpace", "Testing/gui"):
        for path in (ROOT / folder).rglob("*.py"):
            found |= set(re.findall(r"\bqt\.(Q\w+)", path.read_text(encoding="utf-8")))
        for path in (ROOT / folder).rglob("*.ui"):
            found |= set(re.findall(r'class="(Q\w+)"', path.read_text(encoding="utf-8")))
    return found


def _real_names(native: type, records: dict) -> set[str]:
    """What the real class shows. For a class that the facts leave out, what PySide6 has (nothing is claimed there)."""
    found = ADDED_BY_PYTHONQT | PYTHON_KEYWORDS
    for base in native.__mro__:
        record = records.get(base.__name__)
        if record is not None:
            found = found | _members(record)
        elif base.__name__ not in ("object", "Object"):
            found = found | set(vars(base)) | _enum_names(base)
    return found


def _enum_names(native: type) -> set[str]:
    """Keys of the enumerations of a PySide6 class, and the names of its sets of flags."""
    found = set()
    for member in vars(native).values():
        if isinstance(member, type) and issubclass(member, enum.Enum):
            found |= {*member.__members__, flags_name(native, member)}
    return found


def _members(record: dict) -> set[str]:
    found = set(record.get("properties", {}))
    for part in (record, record.get("pythonqt_wrapper", {})):
        for key, entry in part.items():
            if isinstance(entry, list) and key != "base":
                found |= {match.group(1) for text in entry if (match := re.match(r"(?:static )?~?(\w+)", text))}
        for name, keys in part.get("enums", {}).items():
            found |= {name, *keys}
    return found


def _is_enum_of_meta_object(native: type, name: str) -> bool:
    """Enumerations that the meta object carries exist in the real one, too; the facts list only the others."""
    known = table(native)
    for entry in known.lineage() if known is not None else ():
        for index in range(entry.meta.enumeratorOffset(), entry.meta.enumeratorCount()):
            enumeration = entry.meta.enumerator(index)
            keys = [enumeration.key(number) for number in range(enumeration.keyCount())]
            if name in (enumeration.name(), enumeration.enumName(), *keys):
                return True
    return False


def _extra_names(name: str, records: dict) -> list[str]:
    cls, native = getattr(qt_module(), name), native_class(name)
    real = _real_names(native, records)
    shown = {member for member in vars(cls) if not member.startswith("_")}
    return sorted(member for member in shown - real if not _is_enum_of_meta_object(native, member))


def test_our_own_code_names_only_classes_that_qt_has(records):
    names = used_names()
    assert len(names) > 10, "the scan finds nothing"
    missing = [name for name in sorted(names) if not hasattr(qt_module(), name)]
    assert not missing


@pytest.mark.parametrize("name", COMMON)
def test_no_attribute_that_the_real_class_lacks(name, records):
    assert not _extra_names(name, records)


def test_no_attribute_that_the_real_class_lacks_in_what_we_use(records):
    names = sorted(used_names() - set(COMMON))
    extra = {name: _extra_names(name, records) for name in names if name in records}
    assert not {name: found for name, found in extra.items() if found}


NOT_NAMES = {"raise", "del", "print", "exec", "None", "py_toString", "enum_1"}
"""Keywords (see PYTHON_KEYWORDS) and inner names of the facts."""


@pytest.mark.parametrize("name", COMMON)
def test_what_is_lacking_is_a_gap(name, records):
    """What the real class shows is here, too, or raises StandInGap: never an AttributeError that hasattr() hides."""
    cls, native = getattr(qt_module(), name), native_class(name)
    real = set().union(*(_members(records[base.__name__]) for base in native.__mro__ if base.__name__ in records))
    silent = []
    for member in real - NOT_NAMES - set(records) - {base.__name__ for base in native.__mro__}:
        try:
            if not hasattr(cls, member):
                silent.append(member)
        except StandInGap:
            pass
    assert not [member for member in silent if member.isidentifier() and not member.startswith(("operator", "__"))]


@pytest.mark.parametrize("name", [name for name in COMMON if hasattr(native_class(name), "staticMetaObject")])
def test_properties_are_those_of_the_real_class(name, records):
    """A property without parentheses there is one here; one that Qt 6 dropped says so."""
    cls, native = getattr(qt_module(), name), native_class(name)
    if any(base.__name__ not in records for base in native.__mro__ if hasattr(base, "staticMetaObject")):
        pytest.skip("the facts leave out a base class")
    real = {"name"}.union(*(records.get(base.__name__, {}).get("properties", {}) for base in native.__mro__))
    real -= {member for owner, member in METHODS_OVER_PROPERTIES if owner == name}
    ours = {member for member, entry in vars(cls).items() if isinstance(entry, PropertyMember)}
    assert ours <= real
    from standin.pythonqt import hidden

    for member in real - ours:
        with pytest.raises(StandInGap):
            hidden.refuse_missing(native, member)


def test_the_comparison_sees_a_name_too_many(records):
    """Otherwise the tests above could not fail."""
    label = qt_module().QLabel
    label.inventedName = PropertyMember("inventedName")
    try:
        assert _extra_names("QLabel", records) == ["inventedName"]
    finally:
        del label.inventedName
