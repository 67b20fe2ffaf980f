"""Writes a kind's reference page: one table per object, with the words that `kubectl explain` shows."""

import json
import re
from collections.abc import Iterator
from typing import Any

from leeboard.api import GROUP, VERSION
from leeboard.api.base import DNS_LABEL_PATTERN, DURATION_PATTERN, ELEMENT_NAME_PATTERN
from leeboard.api.shared import QUANTITY_PATTERN
from leeboard.crdgen.kinds import Kind
from leeboard.crdgen.schema import DEFINITIONS, definitions

NOTICE = "<!-- Generated from operator/leeboard/api by `make generate`: change it there. -->"

_PATTERNS = {
    DURATION_PATTERN: "duration (90s, 10m, 6h, 14d)",
    DNS_LABEL_PATTERN: "name (DNS label)",
    ELEMENT_NAME_PATTERN: "name (a-z, 0-9, -)",
    QUANTITY_PATTERN: "quantity (500m, 2Gi)",
    r"^[1-9][0-9]*$": "version (a whole number, as text)",
    r"^[A-Za-z0-9_-]+$": "name (letters, digits, _ and -)",
    r"^[A-Za-z0-9]([A-Za-z0-9_. -]*[A-Za-z0-9])?$": "name (letters, digits, spaces, _, - and .)",
    r"^(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$": "host name",
}
"""Words for the patterns that many fields share."""

_STATUS_WRITER = "Status is written by the operator alone, whole, and is never edited by hand."


def page(kind: Kind) -> str:
    """Return the reference page of a kind in Markdown."""
    lines = [
        f"# {kind.kind}",
        "",
        NOTICE,
        "",
        " ".join((kind.model.__doc__ or "").split()),
        "",
        f"- apiVersion: `{GROUP}/{VERSION}`",
        f"- `kubectl get {kind.plural}`, in short `{kind.short}`; columns: {_columns(kind)}",
        f"- `kubectl explain {kind.singular}.spec` shows the same words as this page",
        "",
    ]
    seen: set[str] = set()
    lines += ["## Spec", "", *_objects(*definitions(kind.spec), seen)]
    lines += ["## Status", "", _STATUS_WRITER, "", *_objects(*definitions(kind.status), seen)]
    return "\n".join(lines).rstrip() + "\n"


def _columns(kind: Kind) -> str:
    wide = [column.name for column in kind.columns if column.wide]
    narrow = ", ".join(column.name for column in kind.columns if not column.wide)
    return f"{narrow}; with `-o wide` also {', '.join(wide)}" if wide else narrow


def _objects(root: str, named: dict[str, Any], seen: set[str]) -> Iterator[str]:
    """Write the root's table and those of all objects beneath it, each once, in the order of their first mention."""
    waiting = [root]
    while waiting:
        name = waiting.pop(0)
        if name in seen or "enum" in named[name]:
            continue
        seen.add(name)
        waiting[:0] = _mentioned(named[name])
        yield from _section(name, named)


def _mentioned(schema: dict[str, Any]) -> list[str]:
    return [
        found.removeprefix(DEFINITIONS) for found in re.findall(re.escape(DEFINITIONS) + r"\w+", json.dumps(schema))
    ]


def _section(name: str, named: dict[str, Any]) -> Iterator[str]:
    schema = named[name]
    yield from (f"### {name}", "", schema["description"], "")
    members = schema.get("properties", {})
    if members:
        yield from ("| field | type | default | description |", "|---|---|---|---|")
        for member, inner in members.items():
            required = member in schema.get("required", ())
            default = "*required*" if required else _default(inner)
            yield f"| `{member}` | {_type(inner, named)} | {default} | {_cell(_description(inner, named))} |"
    else:
        yield "It has no fields: write `{}`."
    for rule in schema.get("x-kubernetes-validations", ()):
        yield from ("", f"Rule: {rule['message']}.")
    yield ""


def _description(schema: dict[str, Any], named: dict[str, Any]) -> str:
    """Take the field's own words, else those of what it refers to."""
    target = named.get(schema.get("$ref", "").removeprefix(DEFINITIONS), {})
    return str(schema.get("description") or target["description"])


def _default(schema: dict[str, Any]) -> str:
    if schema.get("default") in (None, {}):
        return ""
    return f"`{_cell(json.dumps(schema['default'], ensure_ascii=False))}`"


def _type(schema: dict[str, Any], named: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(DEFINITIONS)
        if "enum" in named[name]:
            return " \\| ".join(f"`{value}`" for value in named[name]["enum"])
        return f"[{name}](#{name.lower()})"
    if schema["type"] == "array":
        keys = schema.get("x-kubernetes-list-map-keys")
        keyed = f", keyed by {', '.join(f'`{key}`' for key in keys)}" if keys else ""
        return f"list of {_type(schema['items'], named)}{keyed}, {_span(schema, 'minItems', 'maxItems')}"
    if "additionalProperties" in schema:
        values = _type(schema["additionalProperties"], named)
        return f"map of {values}, {_span(schema, 'minProperties', 'maxProperties')}"
    return _scalar(schema)


def _scalar(schema: dict[str, Any]) -> str:
    if schema["type"] in {"integer", "number"}:
        low = f"{'>' if schema.get('exclusiveMinimum') else '≥'} {schema['minimum']:g}" if "minimum" in schema else ""
        high = f"{'<' if schema.get('exclusiveMaximum') else '≤'} {schema['maximum']:g}" if "maximum" in schema else ""
        return ", ".join(part for part in (schema["type"], low, high) if part)
    if "pattern" in schema:
        return _PATTERNS.get(schema["pattern"]) or f"string `{_cell(schema['pattern'])}`"
    return "time (RFC 3339)" if schema.get("format") == "date-time" else schema["type"]


def _span(schema: dict[str, Any], low: str, high: str) -> str:
    return f"{schema.get(low, 0)} to {schema[high]}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
