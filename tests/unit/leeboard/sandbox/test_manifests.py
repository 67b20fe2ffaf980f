"""The example's manifests, shortened: still valid, still the same example."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from leeboard.api.base import ApiModel, seconds
from leeboard.api.driftmonitor import DriftMonitor
from leeboard.api.modeldeployment import ModelDeployment
from leeboard.api.retrainpolicy import RetrainPolicy
from leeboard.sandbox.manifests import SHORT as CHANGES
from leeboard.sandbox.manifests import careful, example_folder, held_seconds, manifests, merged

SHORT = {manifest["kind"]: manifest for manifest in manifests("ml", CHANGES)}
LONG = {
    document["kind"]: document
    for path in example_folder().glob("*.yaml")
    for document in yaml.safe_load_all(path.read_text())
}


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("model", [ModelDeployment, DriftMonitor, RetrainPolicy])
def test_the_shortened_manifests_are_valid(model: type[ApiModel]):
    model.model_validate_json(json.dumps(SHORT[model.__name__]), strict=True)


@pytest.mark.parametrize("kind", ["ModelDeployment", "DriftMonitor", "RetrainPolicy"])
def test_only_the_namespace_and_the_spec_differ_from_the_example(kind: str):
    short, long = SHORT[kind], LONG[kind]
    assert short["metadata"] == long["metadata"] | {"namespace": "ml"}
    assert (short["apiVersion"], short.keys()) == (long["apiVersion"], long.keys())


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("ModelDeployment", ("rollout", "stages")),
        ("ModelDeployment", ("rollout", "analysis", "metrics")),
        ("DriftMonitor", ("checks",)),
        ("RetrainPolicy", ("level", "continual", "triggers")),
        ("RetrainPolicy", ("evaluation", "gates")),
    ],
)
def test_the_names_are_the_examples(kind: str, path: tuple[str, ...]):
    def names(manifest: dict[str, Any]) -> list[str]:
        found: Any = manifest["spec"]
        for key in path:
            found = found[key]
        return [item["name"] for item in found]

    assert names(SHORT[kind]) == names(LONG[kind])


@pytest.mark.parametrize("kind", ["ModelDeployment", "DriftMonitor", "RetrainPolicy"])
def test_no_duration_of_hours_or_days_is_left(kind: str):
    assert any(re.fullmatch(r"\d+[hd]", text) for text in strings(LONG[kind]))
    assert not [text for text in strings(SHORT[kind]) if re.fullmatch(r"\d+[hd]", text)]


def test_the_careful_manifest_is_valid_and_keeps_the_canary():
    (careful_one,) = manifests(
        "ml", {"ModelDeployment": careful(CHANGES["ModelDeployment"], "mlflow-artifacts:/p.parquet")}
    )
    spec = ModelDeployment.model_validate_json(json.dumps(careful_one), strict=True).spec
    assert spec.verification is not None
    assert [stage.name for stage in spec.rollout.stages] == ["shadow", "canary"]
    assert careful_one["spec"]["rollout"]["stages"][1:] == SHORT["ModelDeployment"]["spec"]["rollout"]["stages"]


def test_a_rollout_is_held_by_its_steps_and_its_bake():
    rollout = SHORT["ModelDeployment"]["spec"]["rollout"]
    holds = [seconds(step["hold"]) for stage in rollout["stages"] for step in stage["canary"]["steps"]]
    assert held_seconds(rollout) == sum(holds) + seconds(rollout["bake"]) > 0


def test_mappings_are_merged_and_everything_else_is_replaced():
    base = {"kept": 1, "mapping": {"kept": 1, "changed": 1}, "list": [1, 2], "replaced": {"gone": 1}}
    changes = {"mapping": {"changed": 2}, "list": [3], "replaced": "text", "new": {"item": 1}}
    assert merged(base, changes) == {
        "kept": 1,
        "mapping": {"kept": 1, "changed": 2},
        "list": [3],
        "replaced": "text",
        "new": {"item": 1},
    }
    assert base["mapping"] == {"kept": 1, "changed": 1}
