"""Objects as the API server gives them: one, and all of a kind at one moment."""

from dataclasses import dataclass
from typing import Any

Manifest = dict[str, Any]
"""An object as the API server gives it."""


@dataclass(frozen=True)
class Listing:
    """All objects of a kind, as they stood at one moment."""

    objects: list[Manifest]
    resource_version: int
    """Everything that is newer came later."""
