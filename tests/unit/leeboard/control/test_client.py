"""Ways to the API server."""

import logging
from pathlib import Path

import pytest

from leeboard.control.client import Client
from leeboard.control.refusals import RefusedError
from leeboard.telemetry import Telemetry


@pytest.mark.parametrize("kubeconfig", ["", "/nowhere/one:/nowhere/two"])
async def test_without_a_kubeconfig_one_sentence_says_what_to_set(
    kubeconfig: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("KUBECONFIG", kubeconfig)
    monkeypatch.setenv("HOME", str(tmp_path))
    with caplog.at_level(logging.DEBUG), pytest.raises(RefusedError, match="set KUBECONFIG") as raised:
        await Client.connect(Telemetry())
    assert (kubeconfig or "~/.kube/config") in str(raised.value)
    assert not caplog.records


async def test_a_kubeconfig_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    broken = tmp_path / "config"
    broken.write_text("kind: Config\nclusters: []\n")
    monkeypatch.setenv("KUBECONFIG", str(broken))
    with pytest.raises(RefusedError, match=str(broken)):
        await Client.connect(Telemetry())
