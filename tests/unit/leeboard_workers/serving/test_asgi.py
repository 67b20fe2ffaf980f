"""Where servers listen."""

import pytest

from leeboard_workers.serving.asgi import host


def test_a_server_listens_on_all_addresses_unless_it_is_told_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("LEEBOARD_HOST", raising=False)
    assert host() == "0.0.0.0"  # noqa: S104
    monkeypatch.setenv("LEEBOARD_HOST", "127.0.0.1")
    assert host() == "127.0.0.1"
