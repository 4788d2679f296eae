"""Detectors of small scintillating cells: which cells there are, where they stand, what they are built from. mm."""
