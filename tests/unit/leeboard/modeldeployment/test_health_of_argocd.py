"""The health script for Argo CD, run as Argo CD runs it, on statuses that Leeboard really writes."""

from pathlib import Path
from typing import Any

import lupa
import pytest

from tests.support.playeddeployment import PlayedDeployment

SCRIPT = Path(__file__).parents[4] / "docs" / "examples" / "argocd" / "health.lua"


def as_lua(runtime: lupa.LuaRuntime, value: Any) -> Any:
    if isinstance(value, dict):
        return runtime.table_from({key: as_lua(runtime, item) for key, item in value.items()})
    if isinstance(value, list):
        return runtime.table_from([as_lua(runtime, item) for item in value])
    return value


def health(status: dict[str, Any], *, generation: int = 1, **spec: Any) -> tuple[str, str]:
    runtime = lupa.LuaRuntime()
    runtime.globals().obj = as_lua(
        runtime, {"metadata": {"generation": generation}, "spec": spec, **({"status": status} if status else {})}
    )
    found = runtime.execute(SCRIPT.read_text())
    return found.status, found.message


@pytest.fixture
def played() -> PlayedDeployment:
    return PlayedDeployment()


def test_an_object_that_nobody_has_looked_at_is_progressing():
    assert health({})[0] == "Progressing"


def test_a_changed_manifest_is_progressing_until_the_operator_has_seen_it(played: PlayedDeployment):
    played.serve("1")

    assert health(played.status, generation=2)[0] == "Progressing"


def test_a_model_that_serves_is_healthy(played: PlayedDeployment):
    played.serve("1")

    assert health(played.status)[0] == "Healthy"


def test_a_suspended_one_is_suspended(played: PlayedDeployment):
    played.serve("1")
    played.change(suspend=True)
    played.settle()

    assert health(played.status, generation=played.generation, suspend=True)[0] == "Suspended"


def test_a_canary_is_progressing_and_says_what_it_waits_for(played: PlayedDeployment):
    played.serve("1")
    played.register("2")
    played.alias("challenger", "2")
    played.run(30)

    assert health(played.status) == ("Progressing", played.message())


def test_what_waits_for_a_person_is_degraded(played: PlayedDeployment):
    played.spec["model"] = {"name": played.spec["model"]["name"], "version": "9"}
    played.register("1")
    played.settle()

    assert played.condition("Stalled")[0] == "True", played.status
    assert health(played.status) == ("Degraded", played.message("Stalled"))
