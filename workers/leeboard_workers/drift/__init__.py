"""Holds a window of data against a reference: `compare(reference, window, checks=…)`, usable by itself."""

from leeboard_workers.drift.comparison import Answers, Comparison, Map, Strangers, compare

__all__ = ["Answers", "Comparison", "Map", "Strangers", "compare"]
