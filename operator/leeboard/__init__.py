"""Leeboard keeps machine-learning models on course while the world drifts."""

from importlib.metadata import version

__version__ = version("leeboard")
