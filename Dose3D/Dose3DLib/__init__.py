"""Dose3DLib: the library behind Dose3D's three doors (clicks in Slicer, Python, batch).

For research use only: no result of this library is a clinical statement.
"""

__version__ = "0.1.0"
