import json
import logging
from collections.abc import Iterator

import pytest

from leeboard.telemetry import Telemetry, configure_logging, log_subject


@pytest.fixture
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("_logging_as_it_was")
def test_each_log_line_is_json_and_names_its_object(capsys: pytest.CaptureFixture[str]):
    configure_logging("INFO")
    with log_subject("DriftMonitor", "ml", "flights"):
        logging.getLogger("leeboard").info("window of %s scored", "noon")
    logging.getLogger("leeboard").debug("not told")
    logging.getLogger("kopf.objects").info("not told either")
    (line,) = capsys.readouterr().err.splitlines()
    document = json.loads(line)
    assert document["message"] == "window of noon scored"
    assert document["level"] == "INFO"
    assert (document["kind"], document["namespace"], document["object"]) == ("DriftMonitor", "ml", "flights")


def test_gauges_of_an_object_go_when_it_no_longer_has_them():
    telemetry = Telemetry()
    subject = ("ModelDeployment", "ml", "flights")
    first, second = ("ml", "flights", "1", "arm-1"), ("ml", "flights", "2", "arm-2")
    telemetry.set_gauges(subject, [(telemetry.weight, first, 100.0)])
    telemetry.set_gauges(subject, [(telemetry.weight, second, 100.0)])
    found = [sample.labels["version"] for metric in telemetry.weight.collect() for sample in metric.samples]
    assert found == ["2"]
    telemetry.set_gauges(subject, [])
    assert not [sample for metric in telemetry.weight.collect() for sample in metric.samples]
