import logging

import pytest

from leeboard.api.errors import TransientError
from leeboard.control.events import EventWriter
from tests.support.memory import Memory

SUBJECT = {
    "apiVersion": "leeboard.dev/v1alpha1",
    "kind": "DriftMonitor",
    "metadata": {"name": "flights", "namespace": "ml", "uid": "uid-1", "resourceVersion": "3"},
}


async def test_equal_events_are_written_once_an_hour():
    memory = Memory()
    for _ in range(3):
        await memory.world.events.emit(SUBJECT, "Warning", "DriftFound", "column distance drifts")
    writer = EventWriter(memory.client, memory.clock)
    for _ in range(3):
        await writer.emit(SUBJECT, "Warning", "DriftFound", "column distance drifts")
    assert len(memory.client.objects) == 1
    calls = len(memory.client.calls)
    memory.clock.move(minutes=59)
    await writer.emit(SUBJECT, "Warning", "DriftFound", "column distance drifts")
    assert len(memory.client.calls) == calls
    memory.clock.move(minutes=2)
    await writer.emit(SUBJECT, "Warning", "DriftFound", "column distance drifts")
    assert len(memory.client.calls) == calls + 1


async def test_an_event_names_its_object_and_its_note_is_cut():
    memory = Memory()
    await memory.world.events.emit(SUBJECT, "Normal", "Promoted", "x" * 5000)
    (event,) = memory.client.objects.values()
    assert event["regarding"]["uid"] == "uid-1"
    assert event["metadata"]["namespace"] == "ml"
    assert len(event["note"]) == 1024
    assert event["eventTime"] == "2026-01-01T12:00:00.000000Z"


async def test_an_event_that_cannot_be_written_breaks_nothing(caplog: pytest.LogCaptureFixture):
    memory = Memory()
    memory.client.refuse["create"] = TransientError("the API server is away")
    with caplog.at_level(logging.WARNING):
        await memory.world.events.emit(SUBJECT, "Normal", "Promoted", "")
    assert "the API server is away" in caplog.text


async def test_remembers_only_so_many():
    memory = Memory()
    writer = EventWriter(memory.client, memory.clock)
    for number in range(5000):
        await writer.emit(SUBJECT, "Normal", "Promoted", str(number))
    assert len(writer._written) == 4096
