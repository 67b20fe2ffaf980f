"""The conventions of the API are held by a lint, which says what is wrong and where."""

from typing import Any

import pytest

from leeboard.crdgen.kinds import KINDS, Kind, object_schema
from leeboard.crdgen.lint import findings

TEXT = {"type": "string", "description": "Text.", "maxLength": 3}
NUMBER = {"type": "integer", "description": "A number.", "minimum": 0, "maximum": 3}
NAMED = {"type": "object", "required": ["name"], "properties": {"name": TEXT}}


def _list(**more: Any) -> dict[str, Any]:
    return {"type": "array", "description": "A list.", "maxItems": 3, "items": TEXT, **more}


WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "has no description": ("text", {"type": "string", "maxLength": 3}),
    "the string has no maxLength": ("text", {"type": "string", "description": "Text."}),
    "the list has no maxItems": (
        "list",
        {"type": "array", "description": "A list.", "items": TEXT, "x-kubernetes-list-type": "set"},
    ),
    "the map has no maxProperties": (
        "map",
        {"type": "object", "description": "A map.", "additionalProperties": TEXT},
    ),
    "the number has no minimum and maximum": ("number", {"type": "integer", "description": "A number.", "minimum": 0}),
    "say whether the list is a map, a set or atomic": ("list", _list()),
    "neither required nor defaulted": (
        "list",
        _list(
            items={"type": "object", "properties": {"name": TEXT}},
            **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ),
    "is not CamelCase": ("kind", {"type": "string", "description": "A kind.", "enum": ["Good", "not_good"]}),
    "write the name in camelCase": ("my_text", TEXT),
    "the names of times end in Time": ("started", {**TEXT, "format": "date-time"}),
    "what ends in Ref is an object with a name": ("modelRef", TEXT),
    "a switch has two answers for ever": ("enabled", {"type": "boolean", "description": "A switch."}),
    "a choice is one optional member per variant": ("choice", {"description": "A choice.", "anyOf": [TEXT, NUMBER]}),
    "a rule has no message": ("text", {**TEXT, "x-kubernetes-validations": [{"rule": "true", "message": ""}]}),
}


@pytest.mark.parametrize(("says", "member"), WRONG.items(), ids=WRONG.keys())
def test_finds_what_is_wrong(says: str, member: tuple[str, dict[str, Any]]):
    name, schema = member
    found = list(findings({"description": "All.", "type": "object", "properties": {name: schema}}, "kind.spec"))
    assert [says in sentence for sentence in found] == [True], found
    assert f"kind.spec.{name}" in found[0]


def test_finds_nothing_in_what_is_right():
    right = {
        "text": TEXT,
        "number": NUMBER,
        "suspend": {"type": "boolean", "description": "Start nothing."},
        "modelRef": {"description": "The model.", **NAMED},
        "startTime": {**TEXT, "format": "date-time"},
        "list": _list(items=NAMED, **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}),
    }
    assert not list(findings({"description": "All.", "type": "object", "properties": right}, "kind.spec"))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_finds_nothing_in_the_api(kind: Kind):
    for part in ("spec", "status"):
        assert not list(findings(object_schema(kind)["properties"][part], f"{kind.singular}.{part}"))
