"""DICOM in and out: the only package that sees a tag."""
