"""Dose distributions: levels, statistics, differences, colours. Gy, on the dose's own grid."""
