"""PythonQt's conventions in the stand-in, one by one."""

from __future__ import annotations

import gc
import sys
import threading
import weakref

import pytest

pytest.importorskip("PySide6.QtWidgets", reason="needs PySide6 with Qt's system libraries")

from PySide6.QtCore import Property, QObject, Signal, Slot  # noqa: E402
from PySide6.QtWidgets import QApplication, QWidget  # noqa: E402
from standin.pythonqt import (  # noqa: E402
    StandInGap,
    error_flag,
    errors,
    light_class,
    qt_module,
    register_qt_name,
    unwrap,
    wrap,
)


@pytest.fixture(scope="module", autouse=True)
def application():
    return QApplication.instance() or QApplication(["test", "-platform", "offscreen"])


@pytest.fixture
def qt(application):
    return qt_module()


@pytest.fixture
def printed(monkeypatch) -> list[type]:
    """Types of the exceptions that reach the top."""
    found: list[type] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, *_: found.append(kind))
    error_flag.clear()
    yield found
    error_flag.clear()


def _click(qt, function, signal: str = "clicked(bool)") -> None:
    button = qt.QPushButton()
    assert button.connect(signal, function)
    button.click()


# --- arguments of slots


@pytest.mark.parametrize(("signal", "given"), [("clicked()", ()), ("clicked(bool)", (False,))])
def test_the_two_forms_of_clicked_are_two_signals(qt, signal, given):
    seen = []
    _click(qt, lambda *arguments: seen.append(arguments), signal)
    assert seen == [given]


def test_functions_methods_and_lambdas_get_what_they_can_take(qt):
    seen = []

    class Panel:
        def none(self):
            seen.append("none")

        def one(self, checked):
            seen.append(checked)

    panel = Panel()
    for function in (lambda: seen.append("lambda"), panel.none, panel.one, lambda checked=9: seen.append(checked)):
        _click(qt, function)
    assert seen == ["lambda", "none", False, False]


def test_a_built_in_method_is_not_cut_and_a_missing_argument_is_an_error(qt, printed):
    kept = [1]
    _click(qt, kept.clear)
    _click(qt, lambda checked, more: kept.append(more))
    assert kept == [1]
    assert printed == [TypeError, TypeError]


def test_unknown_signals_return_false_and_those_that_qt6_dropped_raise(qt):
    assert qt.QPushButton().connect("clicked", print) is False
    assert qt.QPushButton().connect("clicked(bool checked)", print) is False
    assert qt.QPushButton().connect("clicked( bool )", print) is True
    with pytest.raises(StandInGap, match="Qt 6"):
        qt.QComboBox().connect("currentIndexChanged(QString)", print)


def test_disconnect_distinguishes_the_forms(qt):
    button, seen = qt.QPushButton(), []

    def slot():
        seen.append(1)

    button.clicked.connect(slot)
    assert button.disconnect("clicked()", slot) is False
    button.click()
    assert button.clicked.disconnect(slot) is True
    button.click()
    assert seen == [1]


def test_a_connection_keeps_the_callable_until_the_sender_goes(qt):
    class Panel:
        def slot(self):
            pass

    panel, button = Panel(), qt.QPushButton()
    button.clicked.connect(panel.slot)
    alive = weakref.ref(panel)
    del panel
    gc.collect()
    assert alive() is not None
    del button
    gc.collect()
    assert alive() is None


# --- errors


def test_an_exception_in_a_slot_is_printed_and_flagged_and_stays_flagged(qt, printed):
    seen = []
    button = qt.QPushButton()
    button.clicked.connect(lambda: 1 / 0)
    button.clicked.connect(lambda: seen.append("second"))
    button.click()
    _click(qt, lambda: None)
    assert printed == [ZeroDivisionError]
    assert seen == ["second"]
    assert error_flag.had_error


def test_what_is_caught_is_not_flagged(qt, printed):
    with pytest.raises(TypeError):
        qt.QPushButton("x").text()
    assert not printed
    assert not error_flag.had_error


def test_an_exception_in_an_override_is_printed_and_qt_goes_on(qt, printed):
    class Watch(qt.QObject):
        def eventFilter(self, watched, event):
            raise KeyError("here")

    watch, widget = Watch(), qt.QWidget()
    widget.installEventFilter(watch)
    widget.resize(20, 20)
    widget.show()
    assert widget.visible
    assert KeyError in printed
    assert error_flag.had_error


@pytest.mark.parametrize("name", ["toolltip", "noSuch"])
def test_misspelt_attributes_fail_loudly(qt, name):
    label = qt.QLabel()
    with pytest.raises(AttributeError, match=f"no attribute named '{name}'"):
        getattr(label, name)
    with pytest.raises(AttributeError, match="creating new attributes on C"):
        setattr(label, name, 1)
    assert not hasattr(label, name)


@pytest.mark.parametrize("name", ["layout", "clicked", "isVisible"])
def test_methods_and_signals_cannot_be_overwritten(qt, name):
    with pytest.raises(AttributeError, match="can not be overwritten"):
        setattr(qt.QPushButton(), name, True)


def test_arguments_are_refused_with_value_error(qt):
    spin = qt.QSpinBox()
    for wrong in [lambda: spin.setValue("5"), lambda: spin.setValue(), lambda: qt.QPushButton(text="a")]:
        with pytest.raises(ValueError, match="Called"):
            wrong()
    with pytest.raises(AttributeError, match="does not accept an object of type str"):
        spin.value = "5"


# --- conversions


def test_conversions_are_as_lenient_as_in_the_real_one(qt):
    spin, label, box = qt.QSpinBox(), qt.QLabel(), qt.QCheckBox()
    spin.value, label.text, box.checked = 3.7, None, "yes"
    assert (spin.value, label.text, box.checked) == (3, "None", True)


def test_lists_come_back_as_tuples_and_enumerations_as_ints(qt):
    widget = qt.QWidget()
    widget.setProperty("names", ["a", "b"])
    assert widget.names == ("a", "b")
    assert widget.children() == ()
    assert type(qt.QLabel().alignment) is int
    assert isinstance(qt.Qt.AlignLeft, int)
    assert f"{qt.Qt.AlignLeft}" == "1"


def test_any_object_passes_through_a_dynamic_property_by_identity(qt):
    widget, thing = qt.QWidget(), object()
    assert widget.setProperty("thing", thing) is False
    assert widget.thing is thing


def test_a_function_with_output_parameters_is_a_gap(qt):
    transform = qt.QTransform(1, 0, 0, 1, 0, 0)
    with pytest.raises(StandInGap, match="output parameters"):
        transform.inverted()


# --- who keeps whom


def test_a_widget_without_parent_dies_with_its_variable_and_takes_its_children(qt):
    widget = qt.QWidget()
    button = qt.QPushButton("x", widget)
    del widget
    with pytest.raises(ValueError, match="destroyed QPushButton"):
        button.text  # noqa: B018
    with pytest.raises(ValueError, match="Trying to call 'click' on a destroyed"):
        button.click()
    with pytest.raises(ValueError, match="destroyed"):
        hasattr(button, "enabled")


def test_a_layout_keeps_what_it_is_given(qt):
    layout = qt.QVBoxLayout()
    layout.addWidget(qt.QPushButton("kept"))
    gc.collect()
    widget = qt.QWidget()
    widget.setLayout(layout)
    del layout
    gc.collect()
    assert widget.layout().itemAt(0).widget().text == "kept"


def test_a_menu_does_not_keep_an_action_without_parent(qt):
    menu = qt.QMenu()
    action = qt.QAction("x", None)
    menu.addAction(action)
    assert len(menu.actions()) == 1
    del action
    gc.collect()
    assert menu.actions() == ()


def test_a_python_subclass_keeps_its_python_side_while_a_parent_keeps_it(qt):
    class Button(qt.QPushButton):
        pass

    parent = qt.QWidget()
    Button("x", parent).extra = 5
    gc.collect()
    child = parent.children()[0]
    assert (type(child), child.extra) == (Button, 5)
    gone = weakref.ref(child)
    del parent, child
    gc.collect()
    assert gone() is None


def test_there_is_one_wrapper_of_an_object_while_it_lives(qt):
    widget = qt.QWidget()
    button = qt.QPushButton(widget)
    assert widget.children()[0] is button
    assert wrap(unwrap(button)) is button
    assert button.parent() is widget
    assert {button: 1}[widget.findChildren(qt.QPushButton)[0]] == 1


def test_a_timer_whose_variable_goes_does_not_fire(qt):
    fired = []
    timer = qt.QTimer()
    timer.timeout.connect(lambda: fired.append(1))
    timer.start(1)
    del timer
    loop = qt.QEventLoop()
    qt.QTimer.singleShot(20, loop.quit)
    loop.exec_()
    assert fired == []


# --- classes


def test_wrapped_classes_do_not_inherit_from_one_another(qt):
    button = qt.QPushButton()
    assert type(button) is qt.QPushButton
    assert not isinstance(button, qt.QWidget)
    assert not issubclass(qt.QPushButton, qt.QAbstractButton)
    assert button.inherits("QWidget")
    assert button.isWidgetType()


def test_children_are_found_by_the_inheritance_of_cpp(qt):
    parent = qt.QWidget()
    button, box = qt.QPushButton("a", parent), qt.QCheckBox("b", parent)
    assert parent.findChildren(qt.QAbstractButton) == (button, box)
    assert parent.findChildren("QCheckBox") == (box,)
    assert parent.findChild(qt.QLabel) is None


def test_overrides_are_called_and_may_call_the_base(qt):
    class Panel(qt.QWidget):
        def __init__(self, parent=None):
            super().__init__(parent)
            self.seen = []

        def resizeEvent(self, event):
            super().resizeEvent(event)
            self.seen.append(event.size().width())

        def closeEvent(self, event):
            event.ignore()

    panel = Panel()
    panel.resize(70, 40)
    panel.show()
    assert panel.seen == [70]
    assert panel.close() is False
    assert panel.visible


def test_signals_of_python_classes(qt):
    class Worker(qt.QObject):
        done = qt.Signal(int, object)

    worker, seen, thing = Worker(), [], object()
    worker.done.connect(lambda *arguments: seen.append(arguments))
    worker.done.emit(3, thing)
    assert seen == [(3, thing)]


def test_calls_from_a_thread_arrive_in_the_main_thread(qt):
    button, seen = qt.QPushButton(), []
    button.clicked.connect(lambda: seen.append(threading.current_thread()))
    thread = threading.Thread(target=button.click)
    thread.start()
    thread.join()
    assert seen == []
    qt.QApplication.processEvents()
    assert seen == [threading.main_thread()]


def test_empty_layouts_menus_and_icons_are_false(qt):
    widget, menu = qt.QWidget(), qt.QMenu()
    layout = qt.QVBoxLayout(widget)
    assert not layout
    assert not menu
    assert not qt.QIcon()
    layout.addWidget(qt.QLabel("x"))
    widget.show()
    menu.addAction("x")
    assert layout
    assert menu
    assert widget
    with pytest.raises(StandInGap, match=r"bool\(\) of a QSize"):
        bool(qt.QSize(1, 2))


# --- light wrapping


class _Gauge(QWidget):
    """A class as CTK's: a property, signals, a slot, and more that Python must not see."""

    valueChanged = Signal(float)
    nodeChanged = Signal(object)
    CPP_SIGNATURES = {"nodeChanged(vtkMRMLNode*)": "nodeChanged"}

    def __init__(self, parent=None):
        super().__init__(parent)
        self._value = 0.0

    def setMaximum(self, value):
        raise AssertionError("not visible")

    @Slot(float)
    def setValue(self, value: float):
        self._value = value
        self.valueChanged.emit(value)

    value = Property(float, lambda self: self._value, setValue)


def test_light_classes_show_their_meta_object_and_their_qt_base():
    gauge_class = light_class(_Gauge, "ctkGauge")
    assert light_class(_Gauge) is gauge_class
    gauge, seen = gauge_class(), []
    assert type(gauge) is gauge_class
    assert type(wrap(unwrap(gauge))) is gauge_class
    gauge.valueChanged.connect(seen.append)
    gauge.value = 3
    gauge.setValue(4)
    gauge.toolTip = "shown by QWidget"
    assert seen == [3.0, 4.0]
    assert gauge.value == 4.0
    for hidden in ("setMaximum", "_value", "CPP_SIGNATURES"):
        assert not hasattr(gauge, hidden)
    with pytest.raises(ValueError, match="wrong number of arguments"):
        gauge.setValue()
    with pytest.raises(ValueError, match="Could not find matching overload"):
        gauge_class("title")


def test_signatures_with_vtk_pointers_reach_signals_written_in_python():
    gauge, seen, node = light_class(_Gauge)(), [], object()
    assert gauge.connect("nodeChanged(vtkMRMLNode*)", seen.append)
    gauge.nodeChanged.emit(node)
    assert seen == [node]


# --- the module


def test_qt_is_flat_and_other_layers_add_to_it(qt):
    assert qt.QLabel is qt_module().QLabel
    for absent in ("QVariant", "QString", "QStringList", "NoSuch"):
        assert not hasattr(qt, absent)
    register_qt_name("loaderOfATest", QObject)
    assert qt.loaderOfATest is QObject


def test_settings_keep_a_list_of_one_text(qt, tmp_path):
    path = str(tmp_path / "settings.ini")
    settings = qt.QSettings(path, qt.QSettings.IniFormat)
    settings.setValue("recent", ["only"])
    settings.setValue("number", 5)
    settings.sync()
    assert settings.value("recent") == ("only",)
    assert settings.value("number") == 5


def test_thousands_of_calls_do_not_end_the_process(qt):
    """Plain PySide6 6.12 takes a reference of None with each call on Python 3.11."""
    widget = qt.QWidget()
    before = sys.getrefcount(None)
    for _ in range(20_000):
        widget.setEnabled(True)
    assert sys.getrefcount(None) > 1_000_000 or before == sys.getrefcount(None)


def test_wrappers_do_not_pile_up(qt):
    def make():
        widget = qt.QWidget()
        layout = qt.QVBoxLayout(widget)
        button = qt.QPushButton("x")
        layout.addWidget(button)
        button.clicked.connect(lambda: None)
        button.click()

    make()
    gc.collect()
    widgets, things = len(QApplication.allWidgets()), len(gc.get_objects())
    for _ in range(50):
        make()
    gc.collect()
    assert len(QApplication.allWidgets()) == widgets
    assert len(gc.get_objects()) - things < 50


def test_exit_in_a_slot_ends_the_application_where_there_is_one(qt, printed, monkeypatch):
    codes = []
    monkeypatch.setattr(errors, "_exit_handlers", [codes.append])
    _click(qt, lambda: sys.exit(3))
    assert codes == [3]
    assert not printed


def test_an_exception_in_a_callable_of_a_menu_is_flagged(qt, printed):
    menu = qt.QMenu()
    action = menu.addAction("x", lambda: 1 / 0)
    action.trigger()
    assert printed == [ZeroDivisionError]
    assert error_flag.had_error
