"""Whether the CRDs that the API server serves hold every field that the operator writes. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from leeboard.api.base import ApiModel

_MAX_DEPTH = 12


def missing_fields(model: type[ApiModel], schema: Mapping[str, Any], path: str = "status") -> list[str]:
    """Return the fields of a model that a schema lacks, as paths; the API server would drop them silently.

    Args:
        model: What is written.
        schema: The OpenAPI schema of the same document, as it is served.
        path: Where the document stands.
    """
    return list(_missing(model, schema, path, _MAX_DEPTH))


def _missing(model: type[ApiModel], schema: Mapping[str, Any], path: str, depth: int) -> Iterator[str]:
    properties = schema.get("properties", {})
    for name, field in model.model_fields.items():
        alias = field.alias or name
        if alias not in properties:
            yield f"{path}.{alias}"
        elif depth:
            inner = properties[alias]
            for part in _models(field.annotation):
                yield from _missing(part, inner.get("items", inner), f"{path}.{alias}", depth - 1)


def _models(annotation: Any) -> Iterator[type[ApiModel]]:
    """Return the models inside an annotation such as `list[Model] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, ApiModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
