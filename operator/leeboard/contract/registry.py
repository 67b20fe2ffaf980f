"""What the operator knows about the model registry: plain data, shared by those who look and those who decide."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from leeboard.contract.jobs import JobReport

Row = dict[str, Any] | list[Any]
"""A model's input: values by column, or in the order of the signature."""


@dataclass(frozen=True)
class ModelVersion:
    """One version of a registered model."""

    version: str
    tags: Mapping[str, str] = field(default_factory=dict)
    ready: bool = True
    """Whether the registry calls it READY."""
    run_id: str = ""
    """The run that made it; empty: none."""


@dataclass(frozen=True)
class RegisteredModel:
    """A registered model with everything that decisions ask for."""

    name: str
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Version by alias."""
    tags: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, ModelVersion] = field(default_factory=dict)
    """By version."""


@dataclass(frozen=True)
class ReportedRun:
    """A finished run of one of our jobs, with its report."""

    run_id: str
    report: JobReport
    report_uri: str
    """Where people read it: the artifact `report.html` of a drift or retrain run, else `report.json`."""
