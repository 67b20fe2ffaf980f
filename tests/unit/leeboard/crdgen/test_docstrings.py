from pydantic import BaseModel, ConfigDict, Field

from leeboard.crdgen.docstrings import docstrings


class Boat(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    name: str
    """Name on the
    stern."""
    length: float = Field(default=6.0, alias="loa")
    """Over all, metres."""
    colour: str = "white"

    def hail(self) -> str:
        """Not a field's."""
        return self.name


class Barge(Boat):
    draught: float
    """With the board down, metres."""
    length: float = 15.0
    """Of the hull alone, metres."""


def test_reads_what_pydantic_reads_inherited_fields_included() -> None:
    for model in (Boat, Barge):
        theirs = {name: field.description for name, field in model.model_fields.items() if field.description}
        assert docstrings(model) == theirs


def test_a_field_without_one_has_none() -> None:
    assert "colour" not in docstrings(Boat)
