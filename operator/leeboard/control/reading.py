"""Objects of ours as the API server gives them → models, or one sentence about what cannot be read."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from leeboard.api.base import ApiModel
from leeboard.api.errors import SpecError

Model = TypeVar("Model", bound=ApiModel)


def read(model: type[Model], raw: Mapping[str, Any]) -> Model:
    """Read an object.

    Raises:
        SpecError: it breaks a rule that the API server does not know, or was written under another version of the
            CRD; the message names the first field that is wrong.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "spec"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise SpecError(f"{field}: {first['msg'].removeprefix('Value error, ')}{more}") from None
