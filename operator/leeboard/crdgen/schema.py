"""Turns an API model into the structural OpenAPI schema that a CRD wants."""

from collections.abc import Callable
from enum import Enum
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, NoDefault
from pydantic_core import core_schema

from leeboard.api.base import ApiModel
from leeboard.crdgen.docstrings import docstrings

JsonSchema = dict[str, Any]

DEFINITIONS = "#/$defs/"
_DROPPED = ("title", "$defs")
_FIRST = ("description", "type", "format", "enum", "default")
_LAST = ("x-kubernetes-validations", "required", "properties", "items", "additionalProperties")


class _Words(GenerateJsonSchema):
    """Pydantic's schema with our rules in it, and with defaults as a manifest would write them."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Add the model's rules, and what its fields mean."""
        found = super().model_schema(schema)
        if issubclass(schema["cls"], ApiModel) and schema["cls"].rules:
            found["x-kubernetes-validations"] = [
                {"rule": rule.cel, "message": rule.message} for rule in schema["cls"].rules
            ]
        for name, text in docstrings(schema["cls"]).items():
            alias = schema["cls"].model_fields[name].alias or name
            found["properties"][alias] = {"description": text} | found["properties"][alias]
        return found

    def get_default_value(self, schema: core_schema.WithDefaultSchema) -> Any:
        """Take the default from its factory, too: all of ours are constant."""
        factory = schema.get("default_factory")
        if factory is not None:
            return factory()  # type: ignore[call-arg]
        return schema.get("default", NoDefault)

    def encode_default(self, dft: Any) -> Any:
        """Write the shortest document that means the default; the API server fills in what lies deeper."""
        return _minimal(dft)


def _minimal(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    if isinstance(value, list):
        return [_minimal(item) for item in value]
    return value.value if isinstance(value, Enum) else value


def definitions(model: type[ApiModel]) -> tuple[str, dict[str, JsonSchema]]:
    """Return the name of the model's own schema, and the schemas of all objects and enums by their class's name.

    Objects refer to each other by `$ref`; the schemas are otherwise as `structural` writes them.
    """
    raw = model.model_json_schema(by_alias=True, schema_generator=_Words)
    named: dict[str, JsonSchema] = {**raw.get("$defs", {}), model.__name__: raw}
    return model.__name__, {name: _tidy(schema) for name, schema in named.items()}


def structural(model: type[ApiModel], *, bare: bool = False) -> JsonSchema:
    """Return the structural schema of a model, with everything inlined.

    Args:
        model: The model.
        bare: Leave out defaults and rules, as befits a status: one writer, nothing to fill in.
    """
    name, named = definitions(model)
    schema = _inline(named[name], named)
    return _without(schema, {"default", "x-kubernetes-validations"}) if bare else schema


def _tidy(schema: JsonSchema) -> JsonSchema:
    """Say in OpenAPI 3.0, as Kubernetes reads it, what pydantic says in JSON Schema 2020-12."""
    schema = {key: value for key, value in schema.items() if key not in _DROPPED}
    if "anyOf" in schema:
        (variant,) = (option for option in schema.pop("anyOf") if option != {"type": "null"})
        schema = {**variant, **schema}
    default = schema.get("default", ...)
    if default is None or (default in ([], {}) and "$ref" not in schema):
        del schema["default"]  # unset, or as good as unset
    if schema.get("type") == "integer":
        schema["format"] = "int64"
    if schema.get("additionalProperties") in (True, False):
        del schema["additionalProperties"]  # a CRD prunes what it does not know; Strict validation refuses it
    for side in ("minimum", "maximum"):
        exclusive = f"exclusive{side.capitalize()}"
        if exclusive in schema:
            schema |= {side: schema[exclusive], exclusive: True}
    if keys := schema.pop("listMapKeys", None):
        schema |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys}
    if "description" in schema:
        schema["description"] = " ".join(schema["description"].split())
    return _beneath(schema, _tidy)


def _inline(schema: JsonSchema, named: dict[str, JsonSchema]) -> JsonSchema:
    """Put what is referred to where it is referred to; what stands beside the reference wins."""
    if "$ref" in schema:
        target = named[schema["$ref"].removeprefix(DEFINITIONS)]
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    return _beneath(_ordered(schema), lambda inner: _inline(inner, named))


def _without(schema: JsonSchema, words: set[str]) -> JsonSchema:
    kept = {key: value for key, value in schema.items() if key not in words}
    return _beneath(kept, lambda inner: _without(inner, words))


def _beneath(schema: JsonSchema, change: Callable[[JsonSchema], JsonSchema]) -> JsonSchema:
    """Change the schemas of members, items and values; the keys of `properties` are names, not words."""
    schema = dict(schema)
    if members := schema.pop("properties", None):
        schema["properties"] = {name: change(member) for name, member in members.items()}
    for key in ("items", "additionalProperties"):
        if key in schema:
            schema[key] = change(schema[key])
    return schema


def _ordered(schema: JsonSchema) -> JsonSchema:
    """Put first what people look for first."""
    first = [key for key in _FIRST if key in schema]
    last = [key for key in _LAST if key in schema]
    between = sorted(schema.keys() - {*first, *last})
    return {key: schema[key] for key in (*first, *between, *last)}
