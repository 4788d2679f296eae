"""Grids, volumes, masks and planar contours: LPS, millimetres, arrays indexed [k, j, i] (slice, row, column)."""
