"""A stand-in for Slicer's desktop, for tests: PythonQt's conventions, CTK's and MRML's widgets, an application.

Held against facts of the real desktop by Testing/gui/test_standin_*.py. Nothing of it is shipped.
"""

from .immortal import make_immortal

make_immortal()
