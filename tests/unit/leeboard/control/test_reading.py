"""Objects as the API server gives them."""

import pytest

from leeboard.api.driftmonitor import DriftMonitor
from leeboard.api.errors import SpecError
from leeboard.control.reading import read
from tests.support.bench import monitor


def test_reads_an_object() -> None:
    assert read(DriftMonitor, monitor("default")).spec.schedule.every == "30m"


def test_names_the_first_field_that_is_wrong() -> None:
    raw = monitor("default", every="5s")
    raw["spec"]["window"] = {"duration": "six hours"}
    with pytest.raises(SpecError, match=r"spec\.\w+.*\(and 1 more\)"):
        read(DriftMonitor, raw)
