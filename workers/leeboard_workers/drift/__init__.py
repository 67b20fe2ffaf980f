"""Holds a window of data against a reference: `compare(reference, window, checks)`, usable by itself."""

from leeboard_workers.data.mapping import Map, on_threads
from leeboard_workers.drift.comparison import Answers, Strangers, compare
from leeboard_workers.drift.findings import Report
from leeboard_workers.drift.learning import Lesson, Past, learn
from leeboard_workers.drift.reference import Reference, prepare
from leeboard_workers.drift.together import FEATURES, Together

__all__ = [
    "FEATURES",
    "Answers",
    "Lesson",
    "Map",
    "Past",
    "Reference",
    "Report",
    "Strangers",
    "Together",
    "compare",
    "learn",
    "on_threads",
    "prepare",
]
