"""The name by which an object that the operator works on is known."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Ref:
    """An object that the operator works on."""

    kind: str
    namespace: str
    name: str
