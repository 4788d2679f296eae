"""Runs one task in a process of its own, with events, cancel and errors that arrive as they were raised."""
