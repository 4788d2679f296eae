"""CT to structures: pre-processing, network, clean-up. Volumes in, StructureSets out; no DICOM here."""
