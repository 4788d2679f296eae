"""Dose3DGui: what the three modules share in Slicer's window. The only place with Qt; no science, no DICOM."""
