"""PythonQt's conventions over PySide6."""

from .classes import PythonQtInstanceWrapper, light_class
from .convert import unwrap, wrap
from .errors import StandInGap, error_flag, set_exit_handler
from .module import python_qt_module, qt_module, register_qt_name
from .special import BoolResult

__all__ = [
    "BoolResult",
    "PythonQtInstanceWrapper",
    "StandInGap",
    "error_flag",
    "light_class",
    "python_qt_module",
    "qt_module",
    "register_qt_name",
    "set_exit_handler",
    "unwrap",
    "wrap",
]
