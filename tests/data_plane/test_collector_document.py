"""The collector does what its OpenAPI document says, whatever is made of it."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from leeboard_workers.serving.collector import openapi
from tests.support.dataplane import Plane, Served

EXAMPLES = 15
"""Requests by operation; raise it to search for longer."""

OPERATIONS = [
    (path, method) for path, item in openapi.document()["paths"].items() for method in item if method != "parameters"
]


@pytest.fixture(scope="module")
def collector(plane: Plane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = plane.collector(tmp_path_factory.mktemp("log"))
    yield served
    assert served.process.poll() is None, "the collector has crashed"
    assert "Traceback" not in served.log.read_text()


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_does_what_its_document_says(collector: Served, path: str, method: str) -> None:
    schema = schemathesis.openapi.from_url(f"{collector.url}/openapi.json")

    @settings(max_examples=EXAMPLES, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=schema[path][method.upper()].as_strategy())
    def search(case: Any) -> None:
        # No schema says that all lists of a batch are equally long, so what fits the schema may still be refused.
        case.call_and_validate(base_url=collector.url, excluded_checks=[positive_data_acceptance])

    search()
