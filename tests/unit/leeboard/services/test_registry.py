from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities.model_registry import RegisteredModel, RegisteredModelAlias
from mlflow.store.entities import PagedList

from leeboard.api.modeldeployment import RegistryWrite
from leeboard.services.registry import MlflowRegistry


class PlayedMlflow:
    """MLflow's client with one model; a listing passes the model, then waits until it may end."""

    def __init__(self) -> None:
        self.aliases: dict[str, str] = {"champion": "1"}
        self.files = ""
        self.passed, self.may_end = threading.Event(), threading.Event()

    def get_registered_model(self, name: str) -> RegisteredModel:
        aliases = [RegisteredModelAlias(alias, version) for alias, version in self.aliases.items()]
        return RegisteredModel(name, aliases=aliases)

    def search_registered_models(self, **_page: Any) -> PagedList[RegisteredModel]:
        found = [self.get_registered_model("flights")]
        self.passed.set()
        self.may_end.wait(10)
        return PagedList(found, None)

    def search_model_versions(self, *_named: str, **_page: Any) -> PagedList[Any]:
        return PagedList([], None)

    def set_registered_model_alias(self, _name: str, alias: str, version: str) -> None:
        self.aliases[alias] = version

    def get_model_version_download_uri(self, _name: str, _version: str) -> str:
        return self.files


@pytest.fixture
def played() -> PlayedMlflow:
    return PlayedMlflow()


@pytest.fixture
def registry(played: PlayedMlflow) -> Iterator[MlflowRegistry]:
    registry = MlflowRegistry("http://127.0.0.1:9", 60, 5)
    registry._client = played  # type: ignore[assignment]
    yield registry
    registry.close()


async def test_a_listing_under_way_does_not_undo_our_own_write(registry: MlflowRegistry, played: PlayedMlflow):
    listing = asyncio.create_task(registry.model("flights"))
    await asyncio.to_thread(played.passed.wait, 10)
    await registry.write("flights", RegistryWrite(set_alias="champion", version="2"))
    played.may_end.set()

    listed = await listing
    assert listed is not None
    assert listed.aliases == {"champion": "2"}


@pytest.mark.parametrize("text", ["a: [", "a text", "signature: {inputs: 'no json'}", "signature: {inputs: '[1]'}"])
async def test_an_odd_mlmodel_has_no_example(registry: MlflowRegistry, played: PlayedMlflow, tmp_path: Path, text: str):
    (tmp_path / "MLmodel").write_text(text)
    played.files = tmp_path.as_uri()

    assert await registry.input_example("flights", "1") == []
