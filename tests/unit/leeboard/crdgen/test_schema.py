"""Schemas are structural: no references, no null, OpenAPI 3.0's words; rules and defaults as a CRD wants them."""

from enum import StrEnum
from typing import Annotated, ClassVar

import pytest
from pydantic import Field

from leeboard.api.base import ApiModel, Rule
from leeboard.crdgen.kinds import KINDS, Kind, crd, object_schema
from leeboard.crdgen.schema import structural


class Colour(StrEnum):
    RED = "Red"
    BLUE = "Blue"


class Inner(ApiModel):
    """An inner thing."""

    size: Annotated[int, Field(ge=1)] = 3
    """How large."""
    parts: Annotated[list[str], Field(max_length=3)] = []
    """Its parts."""


class Outer(ApiModel):
    """An outer thing."""

    colour: Colour = Colour.BLUE
    """Red or
    Blue."""
    inner: Inner = Inner()
    """What is inside."""
    larger: Inner = Inner(size=5)
    """What is larger."""
    share: Annotated[float, Field(gt=0, lt=1)] | None = None
    """A share."""
    named: Annotated[list[Inner], Field(max_length=2, json_schema_extra={"listMapKeys": ["size"]})] = Field(
        default_factory=lambda: [Inner(size=7)]
    )
    """Named things."""
    counts: Annotated[dict[str, int], Field(max_length=4)] = {}
    """Counts by name."""
    must: str
    """What must be."""

    rules: ClassVar[tuple[Rule, ...]] = (Rule(cel="true", message="nothing", holds=lambda _: True),)


SCHEMA = structural(Outer)
FIELDS = SCHEMA["properties"]


def test_inlines_what_is_referred_to_and_keeps_the_field_s_own_words():
    assert FIELDS["inner"]["description"] == "What is inside."
    assert FIELDS["inner"]["properties"]["size"]["description"] == "How large."


def test_joins_the_lines_of_a_description():
    assert FIELDS["colour"]["description"] == "Red or Blue."


def test_writes_enums_as_strings():
    assert (FIELDS["colour"]["type"], FIELDS["colour"]["enum"]) == ("string", ["Red", "Blue"])
    assert FIELDS["colour"]["default"] == "Blue"


def test_writes_the_shortest_default_that_means_the_same():
    assert FIELDS["inner"]["default"] == {}
    assert FIELDS["larger"]["default"] == {"size": 5}
    assert FIELDS["named"]["default"] == [{"size": 7}]


def test_writes_no_default_where_nothing_is_set():
    assert "default" not in FIELDS["share"]
    assert "default" not in FIELDS["counts"]
    assert "default" not in FIELDS["inner"]["properties"]["parts"]


def test_writes_optional_members_without_null():
    assert FIELDS["share"]["type"] == "number"
    assert "anyOf" not in FIELDS["share"]


def test_writes_exclusive_bounds_as_openapi_does():
    share = FIELDS["share"]
    assert (share["minimum"], share["exclusiveMinimum"]) == (0, True)
    assert (share["maximum"], share["exclusiveMaximum"]) == (1, True)


def test_writes_lists_of_named_things_as_maps():
    assert FIELDS["named"]["x-kubernetes-list-type"] == "map"
    assert FIELDS["named"]["x-kubernetes-list-map-keys"] == ["size"]


def test_bounds_open_maps():
    assert FIELDS["counts"]["maxProperties"] == 4
    assert FIELDS["counts"]["additionalProperties"] == {"type": "integer", "format": "int64"}


def test_writes_rules_and_what_is_required():
    assert SCHEMA["x-kubernetes-validations"] == [{"rule": "true", "message": "nothing"}]
    assert SCHEMA["required"] == ["must"]


def test_leaves_defaults_and_rules_out_of_a_status():
    bare = str(structural(Outer, bare=True))
    assert "default" not in bare
    assert "x-kubernetes-validations" not in bare


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_asks_for_a_spec_and_a_name_that_others_can_refer_to(kind: Kind):
    schema = object_schema(kind)
    assert schema["required"] == ["spec"]
    assert schema["properties"]["metadata"]["properties"]["name"]["maxLength"] == 63
    version = crd(kind)["spec"]["versions"][0]
    assert version["subresources"] == {"status": {}}
    assert {"Model", "Status", "Age"} <= {column["name"] for column in version["additionalPrinterColumns"]}
