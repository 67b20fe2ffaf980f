"""Holds a schema against the conventions of Kubernetes' APIs and of ours."""

import re
from collections.abc import Iterator
from typing import Any

CAMEL_CASE = re.compile(r"[a-z][a-zA-Z0-9]*")
ENUM_VALUE = re.compile(r"[A-Z][A-Za-z0-9]*|v[0-9]")

SWITCHES = ("suspend", "versionHeader")
"""The switches of a spec. Anything else has more than two answers in the end: make it an enum."""


def findings(schema: dict[str, Any], path: str) -> Iterator[str]:
    """Tell what is wrong with a schema and all beneath it, each in a sentence that names the field."""
    in_status = path.partition(".")[2].startswith("status")
    if "description" not in schema and not path.endswith(("]", "}")):
        yield f"{path} has no description: give the field a docstring"
    yield from _unbounded(schema, path, in_status=in_status)
    yield from _misshapen_list(schema, path)
    for value in schema.get("enum", ()):
        if not ENUM_VALUE.fullmatch(value):
            yield f"{path}: the enum value {value} is not CamelCase"
    for rule in schema.get("x-kubernetes-validations", ()):
        if not rule["message"]:
            yield f"{path}: a rule has no message"
    for name, member in schema.get("properties", {}).items():
        below = f"{path}.{name}"
        yield from _misnamed(name, member, below, in_status=in_status or path.endswith("status"))
        yield from findings(member, below)
    for key, sign in (("items", "[]"), ("additionalProperties", "{}")):
        if key in schema:
            yield from findings(schema[key], path + sign)


def _unbounded(schema: dict[str, Any], path: str, *, in_status: bool) -> Iterator[str]:
    kind = schema.get("type")
    if kind == "string" and not {"maxLength", "enum"} & schema.keys():
        yield f"{path}: the string has no maxLength"
    if kind == "array" and "maxItems" not in schema:
        yield f"{path}: the list has no maxItems"
    if "additionalProperties" in schema and "maxProperties" not in schema:
        yield f"{path}: the map has no maxProperties"
    if kind in {"integer", "number"} and not in_status and not {"minimum", "maximum"} <= schema.keys():
        yield f"{path}: the number has no minimum and maximum"
    if "anyOf" in schema or "oneOf" in schema:
        yield f"{path}: a choice is one optional member per variant and a rule"


def _misshapen_list(schema: dict[str, Any], path: str) -> Iterator[str]:
    if schema.get("type") != "array":
        return
    kind = schema.get("x-kubernetes-list-type")
    if kind is None:
        yield f"{path}: say whether the list is a map, a set or atomic"
    item = schema["items"]
    for key in schema.get("x-kubernetes-list-map-keys", ()):
        if key not in item.get("required", ()) and "default" not in item.get("properties", {}).get(key, {}):
            yield f"{path}: the key {key} of the list map is neither required nor defaulted"


def _misnamed(name: str, schema: dict[str, Any], path: str, *, in_status: bool) -> Iterator[str]:
    if not CAMEL_CASE.fullmatch(name):
        yield f"{path}: write the name in camelCase"
    if schema.get("type") != "object" and (schema.get("format") == "date-time") != name.endswith("Time"):
        yield f"{path}: the names of times end in Time, and no others"
    if name.endswith("Ref") and "name" not in schema.get("properties", {}):
        yield f"{path}: what ends in Ref is an object with a name"
    if schema.get("type") == "boolean" and not in_status and name not in SWITCHES:
        yield f"{path}: a switch has two answers for ever; make it an enum"
