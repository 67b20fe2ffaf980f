"""The base of every API model: camelCase names, no unknown fields, rules with a twin in CEL."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class Rule:
    """A rule that spans fields: CEL for the API server, `holds` for Python; both give the same verdict."""

    cel: str
    message: str
    holds: Callable[[Any], bool]


def exactly_one(*members: str) -> Rule:
    """Demand exactly one of the named optional members (their JSON names)."""
    present = ", ".join(f"has(self.{member})" for member in members)
    return Rule(
        cel=f"[{present}].filter(x, x).size() == 1",
        message=f"set exactly one of: {', '.join(members)}",
        holds=lambda model: len(model.members_set(*members)) == 1,
    )


def at_most_one(*members: str) -> Rule:
    """Allow at most one of the named optional members (their JSON names)."""
    present = ", ".join(f"has(self.{member})" for member in members)
    return Rule(
        cel=f"[{present}].filter(x, x).size() <= 1",
        message=f"set at most one of: {', '.join(members)}",
        holds=lambda model: len(model.members_set(*members)) <= 1,
    )


def at_least_one(*members: str) -> Rule:
    """Demand at least one of the named optional members (their JSON names)."""
    return Rule(
        cel=" || ".join(f"has(self.{member})" for member in members),
        message=f"set at least one of: {', '.join(members)}",
        holds=lambda model: bool(model.members_set(*members)),
    )


class ApiModel(BaseModel):
    """A piece of a manifest. Field docstrings become the text of `kubectl explain`."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        protected_namespaces=(),
    )

    rules: ClassVar[tuple[Rule, ...]] = ()
    """Rules that span fields; crdgen writes them into the schema."""

    @model_validator(mode="after")
    def _obey_rules(self) -> Self:
        for rule in type(self).rules:
            if not rule.holds(self):
                raise ValueError(rule.message)
        return self

    @model_validator(mode="after")
    def _hold_nothing_twice(self) -> Self:
        for name, keys in _keyed_lists(type(self)).items():
            elements = getattr(self, name) or ()
            identities = [tuple(getattr(e, key) for key in keys) if keys else (e,) for e in elements]
            twice = {identity for identity in identities if identities.count(identity) > 1}
            if twice:
                raise ValueError(f"{to_camel(name)} holds {' '.join(min(twice))} twice")
        return self

    def members_set(self, *members: str) -> list[str]:
        """Return which of the members (JSON names) are set, in the order given."""
        by_alias = {field.alias or name: name for name, field in type(self).model_fields.items()}
        return [member for member in members if getattr(self, by_alias[member]) is not None]

    def document(self) -> dict[str, Any]:
        """Return the JSON document as a manifest writes it: camelCase, nothing unset."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def extras(field: FieldInfo) -> dict[str, Any]:
    """Return what a field adds to its schema, be it optional or not."""
    inner = [word for option in get_args(field.annotation) for word in getattr(option, "__metadata__", ())]
    found: dict[str, Any] = {}
    for info in (field, *(word for word in inner if isinstance(word, FieldInfo))):
        if isinstance(info.json_schema_extra, dict):
            found |= info.json_schema_extra
    return found


@cache
def _keyed_lists(model: type[ApiModel]) -> dict[str, tuple[str, ...]]:
    """Name the lists whose elements differ, and the members by which they do; sets differ as a whole."""
    found: dict[str, tuple[str, ...]] = {}
    for name, field in model.model_fields.items():
        extra = extras(field)
        if "listMapKeys" in extra:
            found[name] = tuple(extra["listMapKeys"])
        elif extra.get("x-kubernetes-list-type") == "set":
            found[name] = ()
    return found


DURATION_PATTERN = r"^[1-9][0-9]{0,5}(s|m|h|d)$"
DNS_LABEL_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
ELEMENT_NAME_PATTERN = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"

Duration = Annotated[str, Field(pattern=DURATION_PATTERN, max_length=7)]
"""One number and one unit: 90s, 10m, 6h, 14d."""

ObjectName = Annotated[str, Field(pattern=DNS_LABEL_PATTERN, min_length=1, max_length=63)]
"""The name of a Kubernetes object."""

ElementName = Annotated[str, Field(pattern=ELEMENT_NAME_PATTERN, min_length=1, max_length=40)]
"""The name of an element of a list, by which status and people point at it."""

Share = Annotated[float, Field(ge=0, le=1)]
"""A share between 0 and 1."""

Percent = Annotated[int, Field(ge=0, le=100)]
"""Whole percent."""

Bound = Annotated[float, Field(ge=-1e15, le=1e15)]
"""A number that another is held against."""

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def seconds(duration: str) -> int:
    """Return the length of a duration in seconds.

    Raises:
        ValueError: the text is no duration.
    """
    if not re.fullmatch(DURATION_PATTERN, duration):
        raise ValueError(f"{duration!r} is no duration: write one number and one unit, such as 10m or 6h")
    return int(duration[:-1]) * _UNIT_SECONDS[duration[-1]]


def cel_seconds(duration: str) -> str:
    """Return the CEL expression for the seconds of a duration, given as a CEL expression."""
    units = ", ".join(f"'{unit}': {length}" for unit, length in _UNIT_SECONDS.items())
    last = f"{duration}.size() - 1"
    return f"int({duration}.substring(0, {last})) * {{{units}}}[{duration}.substring({last})]"
