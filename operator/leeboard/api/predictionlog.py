"""What of the traffic is logged, and what of it nobody may read there."""

from typing import Annotated, ClassVar

from pydantic import Field

from leeboard.api.base import ApiModel, ObjectName, Percent, Rule

ColumnName = Annotated[str, Field(min_length=1, max_length=256)]
ColumnNames = Annotated[list[ColumnName], Field(max_length=200, json_schema_extra={"x-kubernetes-list-type": "set"})]


class SecretKeyRef(ApiModel):
    """An entry of a Secret in the same namespace."""

    name: ObjectName
    """Name of the Secret."""
    key: Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]+$", max_length=253)]
    """Its entry."""


class LoggedColumns(ApiModel):
    """Columns of the requests that are changed before they are logged; the model sees them as they came."""

    drop: ColumnNames = []
    """Never logged."""
    hash: ColumnNames = []
    """Logged as a keyed hash (HMAC-SHA-256, 128 bits in hexadecimal): equal values stay equal, nothing more is told."""
    hash_key_ref: SecretKeyRef | None = None
    """Key of the hashes, at least 16 bytes; who does not know it cannot guess values."""
    round: Annotated[
        dict[str, Annotated[int, Field(ge=-15, le=15)]],
        Field(max_length=200),
    ] = {}
    """Decimal places to which numbers are rounded; -2 rounds to hundreds. What is no number is not logged."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.hash) || self.hash.size() == 0 || has(self.hashKeyRef)",
            message="hash needs hashKeyRef: {name, key}, the entry of a Secret that holds the key",
            holds=lambda columns: not columns.hash or columns.hash_key_ref is not None,
        ),
        Rule(
            cel="!has(self.drop) || ((!has(self.hash) || self.drop.all(c, !(c in self.hash))) && "
            "(!has(self.round) || self.drop.all(c, !(c in self.round))))",
            message="a column that is dropped can be neither hashed nor rounded",
            holds=lambda columns: not set(columns.drop) & {*columns.hash, *columns.round},
        ),
        Rule(
            cel="!has(self.hash) || !has(self.round) || self.hash.all(c, !(c in self.round))",
            message="a column is hashed or rounded, not both: a hash would tell nothing about the number",
            holds=lambda columns: not set(columns.hash) & set(columns.round),
        ),
    )

    @property
    def unreadable(self) -> tuple[str, ...]:
        """Columns whose values the log does not hold: dropped or hashed."""
        return (*self.drop, *self.hash)


class Logging(ApiModel):
    """What of the traffic is logged."""

    sample_percent: Percent = 100
    """Share of requests that are logged, chosen by a hash of the request id."""
    columns: LoggedColumns | None = None
    """Columns that are dropped, hashed or rounded before they are logged; left out: all as they came."""
