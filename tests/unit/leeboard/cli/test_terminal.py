"""Names and messages come from anybody's data: the terminal shows them, and obeys none."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leeboard.cli.cluster import namespace_or_default
from leeboard.cli.errors import CommandError
from leeboard.cli.terminal import printable, terminal

TEXTS = st.text()
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
)


@given(DOCUMENTS)
def test_no_text_of_a_document_is_obeyed(document: object):
    shown = json.dumps(printable(document), ensure_ascii=False)
    assert all(character.isprintable() for character in shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("größe in m²\nnext", "größe in m²\nnext"),
        ("\x1b[2Jdelay", "\\x1b[2Jdelay"),
        ("\x9b31m", "\\x9b31m"),
        ("evil\u202etxt.exe", "evil\\u202etxt.exe"),
    ],
)
def test_what_no_terminal_prints_is_shown_as_its_escape(text: str, shown: str):
    assert printable({text: [text]}) == {shown: [shown]}


@pytest.mark.parametrize("text", ["[red]a[/red]", "[/b]", "price [EUR]", ":warning:"])
def test_nothing_is_markup_nor_an_emoji(text: str):
    console = terminal()
    console.file = io.StringIO()
    console.print(text, soft_wrap=True)
    assert console.file.getvalue() == f"{text}\n"


@pytest.mark.parametrize("name", ["..", "a/b", "../../nodes", "A", "a b", "a?x=1", "a\n"])
def test_what_is_no_name_of_a_namespace_is_no_part_of_a_path(name: str):
    with pytest.raises(CommandError, match="is no name of a namespace"):
        namespace_or_default(name)
