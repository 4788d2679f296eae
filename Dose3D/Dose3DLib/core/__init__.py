"""Errors, progress, provenance, atomic output. Standard library only; everything depends on this."""
