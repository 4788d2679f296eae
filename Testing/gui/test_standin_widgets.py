"""The stand-in's widgets themselves: members as in the real classes, lists of nodes, .ui files, ends of lives."""

from __future__ import annotations

import gc
import json
import weakref

import pytest

pytest.importorskip("PySide6.QtWidgets", reason="needs PySide6 with Qt's system libraries")
slicer = pytest.importorskip("slicer", reason="needs slicer-core")

import standin_probes  # noqa: E402
from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QObject, Qt  # noqa: E402
from PySide6.QtTest import QTest  # noqa: E402
from PySide6.QtWidgets import QApplication, QDialogButtonBox, QLabel, QPushButton, QVBoxLayout, QWidget  # noqa: E402
from standin.widgets import UiLoader, native_classes  # noqa: E402

VOLUME = "vtkMRMLScalarVolumeNode"

LEFT_OUT = {
    "qMRMLSegmentsTableView": {
        "useTerminologySelector",
        "useTerminologySelectorSettingsKey",
        "terminologySelectorAutoDisable",
        "terminologySelectorOptionVisible",
        "setUseTerminologySelector",
        "setUseTerminologySelectorSettingsKey",
        "setTerminologySelectorAutoDisable",
        "setTerminologySelectorOptionVisible",
    },
}
"""Members that the real class has and ours lacks (using them raises AttributeError)."""

INNER = {"ctkQDoubleSpinBox", "ctkCheckableModelHelper", "qMRMLNodeFactory", "qMRMLSceneModel", "qMRMLTableModel"}
INNER |= {"qMRMLSegmentsModel", "qMRMLSortFilterProxyModel", "qMRMLSortFilterSegmentsProxyModel"}
"""Parts of other widgets: they may lack members."""


@pytest.fixture(scope="module", autouse=True)
def application():
    return QApplication.instance() or QApplication(["test", "-platform", "offscreen"])


@pytest.fixture
def scene():
    return slicer.vtkMRMLScene()


def _combo(scene, **properties):
    combo = native_classes()["qMRMLNodeComboBox"]()
    combo.nodeTypes = [VOLUME]
    for name, value in properties.items():
        setattr(combo, name, value)
    combo.setMRMLScene(scene)
    return combo


def _texts(combo) -> list[str]:
    return [combo._combo.itemText(row) for row in range(combo._combo.count())]


# --- members


def _real_members(classes: dict, name: str) -> tuple[set[str], set[str]]:
    """(properties, signals and methods) of a real class with its bases outside Qt."""
    properties, methods = set(), set()
    while name in classes:
        record = classes[name]
        properties |= set(record.get("properties", {}))
        for kind in ("signals", "slots", "invokable"):
            methods |= {signature.split("(")[0] for signature in record.get(kind, [])}
        name = record["base"][0]
    return properties, methods - properties


def _our_members(native: type) -> tuple[set[str], set[str]]:
    properties, methods, meta = set(), set(), native.staticMetaObject
    while meta.className() in native_classes():
        properties |= {meta.property(at).name() for at in range(meta.propertyOffset(), meta.propertyCount())}
        methods |= {meta.method(at).name().data().decode() for at in range(meta.methodOffset(), meta.methodCount())}
        meta = meta.superClass()
    return properties, methods


@pytest.mark.parametrize("name", sorted(native_classes()))
def test_members_are_those_of_the_real_class(name):
    if not standin_probes.PROBES.is_file():
        pytest.skip("needs the facts of the real desktop in ../shared/slicer-api.json")
    facts = json.loads(standin_probes.PROBES.read_text())
    classes = facts["ctk_classes"] | facts["slicer_classes"]
    native = native_classes()[name]
    if name not in classes or not issubclass(native, QObject):
        assert name in INNER
        return
    real, ours = _real_members(classes, name), _our_members(native)
    assert not ours[0] - real[0], "properties that the real class lacks"
    assert not ours[1] - real[1], "methods that the real class lacks"
    if name not in INNER:
        missing = (real[0] | real[1]) - ours[0] - ours[1]
        assert missing == LEFT_OUT.get(name, set())


# --- node combo box


def test_first_node_is_selected_when_the_list_was_empty_without_actions(scene):
    combo = _combo(scene, addEnabled=False, removeEnabled=False)
    node = scene.AddNewNodeByClass(VOLUME, "CT")
    assert combo.currentNode() is node


def test_nodes_that_come_later_are_not_selected_beside_actions(scene):
    combo = _combo(scene)
    scene.AddNewNodeByClass(VOLUME, "CT")
    assert combo.nodeCount() == 1
    assert combo.currentNode() is None


def test_none_and_action_rows(scene):
    scene.AddNewNodeByClass(VOLUME, "CT")
    combo = _combo(scene, noneEnabled=True, noneDisplay="nothing", renameEnabled=True, editEnabled=True)
    assert _texts(combo) == [
        "nothing",
        "CT",
        "",
        "Rename current Volume",
        "Edit current Volume",
        "Create new Volume",
        "Create new Volume as...",
        "Delete current Volume",
    ]
    combo.noneEnabled = combo.addEnabled = combo.removeEnabled = combo.renameEnabled = combo.editEnabled = False
    assert _texts(combo) == ["CT"]


def test_action_rows_act_and_are_never_current(scene):
    combo = _combo(scene)
    user = []
    combo.nodeAddedByUserAction.connect(user.append)
    row = _texts(combo).index("Create new Volume")
    combo._combo.setCurrentIndex(row)
    assert combo._combo.currentIndex() == -1
    combo._combo.activated.emit(row)
    assert combo.currentNode() is user[0]
    combo._combo.activated.emit(_texts(combo).index("Delete current Volume"))
    assert scene.GetNumberOfNodesByClass(VOLUME) == 0
    assert combo.currentNode() is None


def test_removed_last_row_gives_way_to_the_one_before(scene):
    first, second = scene.AddNewNodeByClass(VOLUME, "1"), scene.AddNewNodeByClass(VOLUME, "2")
    combo = _combo(scene)
    combo.setCurrentNode(second)
    scene.RemoveNode(second)
    assert combo.currentNode() is first


def test_one_signal_when_the_scene_closes(scene):
    first = scene.AddNewNodeByClass(VOLUME, "1")
    scene.AddNewNodeByClass(VOLUME, "2")
    combo = _combo(scene)
    combo.setCurrentNode(first)
    heard = []
    combo.currentNodeChanged.connect(heard.append)
    scene.Clear(False)
    assert heard == [None]


def test_nodes_of_a_batch_are_listed_at_its_end(scene):
    combo = _combo(scene)
    scene.StartState(scene.BatchProcessState)
    scene.AddNewNodeByClass(VOLUME, "CT")
    scene.EndState(scene.BatchProcessState)
    assert combo.nodeCount() == 1


def test_node_requested_before_the_scene_came(scene):
    scene.AddNewNodeByClass(VOLUME, "1")
    second = scene.AddNewNodeByClass(VOLUME, "2")
    combo = native_classes()["qMRMLNodeComboBox"]()
    combo.nodeTypes = [VOLUME]
    combo.setCurrentNodeID(second.GetID())
    assert not combo.isEnabled()
    combo.setMRMLScene(scene)
    assert combo.isEnabled()
    assert combo.currentNode() is second


def test_hidden_nodes_are_listed_only_when_wanted(scene):
    node = slicer.vtkMRMLScalarVolumeNode()
    node.SetHideFromEditors(1)
    scene.AddNode(node)
    combo = _combo(scene)
    assert combo.nodeCount() == 0
    combo.showHidden = True
    assert combo.nodeCount() == 1


def test_attribute_filter_lets_nodes_in_and_out(scene):
    node = scene.AddNewNodeByClass(VOLUME, "dose")
    combo = _combo(scene)
    combo.addAttribute(VOLUME, "Dose", "1")
    counts = [combo.nodeCount()]
    for value in ("1", "2"):
        node.SetAttribute("Dose", value)
        counts.append(combo.nodeCount())
    assert counts == [0, 1, 0]
    assert combo.addNode().GetAttribute("Dose") == "1"


@pytest.mark.parametrize("ended_by", ["python", "parent"])
def test_destroyed_combo_leaves_no_observer(scene, ended_by):
    node = scene.AddNewNodeByClass(VOLUME, "CT")
    parent = QWidget()
    combo = _combo(scene)
    alive = weakref.ref(combo)
    assert scene.HasObserver(scene.NodeAddedEvent)
    assert node.HasObserver("ModifiedEvent")
    if ended_by == "parent":
        combo.setParent(parent)
        del parent
    del combo
    gc.collect()
    assert alive() is None
    assert not scene.HasObserver(scene.NodeAddedEvent)
    assert not node.HasObserver("ModifiedEvent")
    node.SetName("still works")


# --- .ui files


def _load(body: str, connections: str = "") -> QWidget:
    text = f'<ui version="4.0"><class>T</class>{body}<connections>{connections}</connections></ui>'
    buffer = QBuffer()
    buffer.setData(QByteArray(text.encode()))
    buffer.open(QIODevice.ReadOnly)
    return UiLoader().load(buffer)


def _property(name: str, kind: str, value: str, more: str = "") -> str:
    return f'<property name="{name}"{more}><{kind}>{value}</{kind}></property>'


def _connection(sender: str, signal: str, receiver: str, slot: str) -> str:
    parts = {"sender": sender, "signal": signal, "receiver": receiver, "slot": slot}
    return "<connection>" + "".join(f"<{key}>{value}</{key}>" for key, value in parts.items()) + "</connection>"


def test_ui_makes_exact_classes_with_properties_and_connections(scene):
    combo = '<item><widget class="qMRMLNodeComboBox" name="selector">'
    combo += f'<property name="nodeTypes"><stringlist><string>{VOLUME}</string></stringlist></property>'
    combo += _property("noneEnabled", "bool", "true") + "</widget></item>"
    slider = '<item><widget class="ctkSliderWidget" name="slider">'
    slider += _property("minimum", "double", "-100") + _property("value", "double", "0.5")
    slider += _property("SlicerParameterName", "string", "threshold", ' stdset="0"') + "</widget></item>"
    body = '<widget class="qMRMLWidget" name="T"><layout class="QVBoxLayout" name="l">' + combo + slider
    body += '<item><widget class="QDoubleSpinBox" name="spin"/></item></layout></widget>'
    connections = _connection("T", "mrmlSceneChanged(vtkMRMLScene*)", "selector", "setMRMLScene(vtkMRMLScene*)")
    connections += _connection("slider", "valueChanged(double)", "spin", "setValue(double)")
    top = _load(body, connections)
    selector, slider = top.findChild(QWidget, "selector"), top.findChild(QWidget, "slider")
    assert [type(part).__name__ for part in (top, selector, slider)] == [
        "qMRMLWidget",
        "qMRMLNodeComboBox",
        "ctkSliderWidget",
    ]
    assert (selector.nodeTypes, selector.noneEnabled) == ([VOLUME], True)
    assert (slider.minimum, slider.value, slider.property("SlicerParameterName")) == (-100.0, 0.5, "threshold")
    top.setMRMLScene(scene)
    assert selector.mrmlScene() is scene
    slider.value = 7.0
    assert top.findChild(QWidget, "spin").value() == 7.0


def test_ui_reads_enum_keys_of_custom_classes():
    body = '<widget class="QWidget" name="T"><widget class="ctkPathLineEdit" name="path">'
    top = _load(
        body + _property("filters", "set", "ctkPathLineEdit::Dirs|ctkPathLineEdit::Writable") + "</widget></widget>"
    )
    assert top.findChild(QWidget, "path").filters == 0x21


def test_ui_widgets_live_with_their_top():
    body = '<widget class="QWidget" name="T"><layout class="QVBoxLayout" name="l"><item>'
    body += '<widget class="ctkCollapsibleButton" name="section"><layout class="QVBoxLayout" name="m"><item>'
    top = _load(
        body + '<widget class="ctkSliderWidget" name="slider"/></item></layout></widget></item></layout></widget>'
    )
    gc.collect()
    top.findChild(QWidget, "slider").value = 5.0
    gc.collect()
    assert top.findChild(QWidget, "slider").value == 5.0


@pytest.mark.parametrize(
    "body",
    [
        '<widget class="qMRMLNobodyWroteThis" name="T"/>',
        '<widget class="ctkSliderWidget" name="T">' + _property("nosuch", "double", "1") + "</widget>",
    ],
)
def test_ui_refuses_what_is_not_there(body):
    pythonqt = pytest.importorskip("standin.pythonqt")
    with pytest.raises(pythonqt.StandInGap):
        _load(body)


def test_ui_that_is_no_ui_gives_none():
    buffer = QBuffer()
    buffer.setData(QByteArray(b"no xml"))
    buffer.open(QIODevice.ReadOnly)
    assert UiLoader().load(buffer) is None


# --- sections


@pytest.mark.parametrize("name", ["ctkCollapsibleButton", "ctkCollapsibleGroupBox"])
def test_collapsing_hides_the_children_and_shows_them_again(name):
    top = QWidget()
    outer = QVBoxLayout(top)
    section = native_classes()[name](top)
    outer.addWidget(section)
    layout = QVBoxLayout(section)
    shown, hidden = QPushButton("x"), QLabel("y")
    layout.addWidget(shown)
    layout.addWidget(hidden)
    hidden.hide()
    top.show()
    tall = section.sizeHint().height()
    section.collapsed = True
    assert not shown.isVisible()
    assert section.sizeHint().height() < tall
    section.collapsed = False
    assert shown.isVisible()
    assert not hidden.isVisible()


def test_section_that_is_collapsed_before_it_is_shown():
    section = native_classes()["ctkCollapsibleButton"]()
    inside = QPushButton("x", section)
    section.collapsed = True
    section.show()
    assert not inside.isVisible()
    section.click()
    assert inside.isVisible()


def test_what_comes_into_a_collapsed_section_is_hidden():
    section = native_classes()["ctkCollapsibleButton"]()
    layout = QVBoxLayout(section)
    section.collapsed = True
    section.show()
    late = QPushButton("x")
    layout.addWidget(late)
    QTest.qWait(20)
    assert not late.isVisible()
    section.collapsed = False
    assert late.isVisible()


# --- tables


@pytest.fixture
def segmentation(scene):
    logic = slicer.vtkSlicerSegmentationsModuleLogic()  # brings the representations that a segment needs
    logic.SetMRMLScene(scene)
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "S")
    node.CreateDefaultDisplayNodes()
    for name in ("SpinalCord", "Brain", "Eye_L"):
        node.GetSegmentation().AddEmptySegment(name, name)
    yield node
    logic.SetMRMLScene(None)


def _segments(scene, node):
    view = native_classes()["qMRMLSegmentsTableView"]()
    view.setMRMLScene(scene)
    view.setSegmentationNode(node)
    return view


def test_segments_are_listed_selected_and_kept(scene, segmentation):
    view = _segments(scene, segmentation)
    heard = []
    view.selectionChanged.connect(lambda *selections: heard.append(len(selections)))
    assert (view.segmentCount, view.displayedSegmentIDs()) == (3, ["SpinalCord", "Brain", "Eye_L"])
    view.setSelectedSegmentIDs(["Brain", "nosuch"])
    assert (view.selectedSegmentIDs(), heard) == (["Brain"], [2])
    segmentation.GetSegmentation().RemoveSegment("SpinalCord")
    assert view.selectedSegmentIDs() == ["Brain"]
    view.setTextFilter("eye")
    assert view.displayedSegmentIDs() == ["Eye_L"]


def test_segments_are_shown_hidden_and_renamed(scene, segmentation):
    view, display = _segments(scene, segmentation), segmentation.GetDisplayNode()
    view.setSelectedSegmentIDs(["Brain"])
    view.showOnlySelectedSegments()
    assert list(display.GetVisibleSegmentIDs()) == ["Brain"]
    model = view.tableWidget().model()
    assert model.data(model.index(0, 0), Qt.CheckStateRole) == Qt.Unchecked.value
    assert model.setData(model.index(0, 0), Qt.Checked.value, Qt.CheckStateRole)
    assert display.GetSegmentVisibility("SpinalCord")
    modified = []
    view.segmentAboutToBeModified.connect(modified.append)
    assert model.setData(model.index(2, 3), "Eye_R")
    assert (segmentation.GetSegmentation().GetSegment("Eye_L").GetName(), modified) == ("Eye_R", ["Eye_L"])
    view.readOnly = True
    assert not model.setData(model.index(2, 3), "X")


def test_segment_status_is_the_one_that_the_logic_reads(scene, segmentation):
    view = _segments(scene, segmentation)
    view.setSelectedSegmentIDs(["Brain"])
    view.setSelectedSegmentsStatus(2)
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    assert logic.GetSegmentStatus(segmentation.GetSegmentation().GetSegment("Brain")) == 2
    view.setStatusShown(2, False)
    assert view.displayedSegmentIDs() == ["SpinalCord", "Eye_L"]


def test_table_is_shown_and_edited(scene):
    node = scene.AddNewNodeByClass("vtkMRMLTableNode", "T")
    node.AddColumn().SetName("dose")
    node.AddEmptyRow()
    view = native_classes()["qMRMLTableView"]()
    view.setMRMLScene(scene)
    view.setMRMLTableNode(node)
    model = view.model()
    assert (model.rowCount(), model.columnCount(), model.data(model.index(0, 0))) == (2, 1, "dose")
    assert model.setData(model.index(1, 0), "60 Gy")
    assert node.GetCellText(0, 0) == "60 Gy"
    node.SetCellText(0, 0, "66 Gy")
    node.Modified()
    assert model.data(model.index(1, 0)) == "66 Gy"


# --- through the wrappers


@pytest.fixture(scope="module")
def seen():
    from standin.widgets import wrapper_classes

    return wrapper_classes()


@pytest.mark.parametrize(
    "use",
    [
        lambda seen: seen["qMRMLCoordinatesWidget"]().unitAwareProperties,
        lambda seen: setattr(seen["qMRMLSliderWidget"](), "orientation", Qt.Vertical.value),
        lambda seen: seen["ctkCheckableComboBox"]().checkableModelHelper(),
    ],
)
def test_gaps_reach_the_caller(seen, use):
    from standin.pythonqt import StandInGap

    with pytest.raises(StandInGap):
        use(seen)


def test_methods_overridden_in_python_are_called(seen, scene, segmentation):
    view = seen["qMRMLSegmentsTableView"]()
    view.setSegmentationNode(segmentation)
    assert view.model().rowCount() == 3


def test_pages_of_the_modules_load():
    pages = sorted(standin_probes.HERE.parents[1].glob("Dose3D*/Resources/UI/*.ui"))
    assert len(pages) >= 3
    for page in pages:
        buffer = QBuffer()
        buffer.setData(QByteArray(page.read_bytes()))
        buffer.open(QIODevice.ReadOnly)
        assert UiLoader().load(buffer) is not None, page.name


# --- answers once for all


def test_stored_answer_of_a_message_box(tmp_path, monkeypatch):
    from PySide6.QtCore import QSettings

    QSettings.setPath(QSettings.NativeFormat, QSettings.UserScope, str(tmp_path))
    QSettings().setValue("test/answer", QDialogButtonBox.Ok.value)
    box = native_classes()["ctkMessageBox"]()
    box.dontShowAgainVisible = True
    box.dontShowAgainSettingsKey = "test/answer"
    assert box.exec() == QDialogButtonBox.Ok.value
    box.setDontShowAgain(False)
    assert QSettings().value("test/answer") is None
