"""Writes the page of the chart's values: each with its default and its comment in values.yaml."""

import json
from collections.abc import Iterator
from pathlib import Path

import yaml

VALUES = Path(__file__).parents[3] / "charts" / "leeboard" / "values.yaml"
NOTICE = "<!-- Generated from charts/leeboard/values.yaml by `make generate`: change it there. -->"


def page(text: str) -> str:
    """Return the page in Markdown.

    Args:
        text: A values.yaml in which every value, or an object that holds it, has a comment above it.

    Raises:
        ValueError: a value has none; the message names it.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise ValueError("values.yaml holds no object")  # noqa: TRY004 (one kind for all bad values)
    lines = [
        "# Values of the chart",
        "",
        NOTICE,
        "",
        "What `helm install --set` and a values file may say; a value that is not here is refused by its name.",
        "[Install](../operations/install.md) says which ones matter.",
        "",
        "| value | default | what it is |",
        "|---|---|---|",
    ]
    return "\n".join([*lines, *_rows(root, "", text.splitlines()), ""])


def _rows(node: yaml.MappingNode, above: str, lines: list[str]) -> Iterator[str]:
    for key, value in node.value:
        path = f"{above}{key.value}"
        comment = _comment(key, lines)
        inner = _commented(value, lines)
        if inner is not None:
            if comment:
                yield f"| **`{path}`** | | {_cell(comment)} |"
            yield from _rows(inner, f"{path}.", lines)
        elif comment:
            default = json.dumps(yaml.SafeLoader("").construct_document(value), ensure_ascii=False)
            yield f"| `{path}` | `{_cell(default)}` | {_cell(comment)} |"
        else:
            raise ValueError(f"{path} has no comment in values.yaml")


def _commented(node: yaml.Node, lines: list[str]) -> yaml.MappingNode | None:
    """Return the object whose members are described one by one, or None: it is described as a whole."""
    described = isinstance(node, yaml.MappingNode) and any(_comment(key, lines) for key, _ in node.value)
    return node if described and isinstance(node, yaml.MappingNode) else None


def _comment(key: yaml.Node, lines: list[str]) -> str:
    """Return the words right above a key, as far as they are indented as it is."""
    said: list[str] = []
    if lines[key.start_mark.line][: key.start_mark.column].strip():
        return ""  # a member of an object on one line
    start = " " * key.start_mark.column + "# "
    for line in reversed(lines[: key.start_mark.line]):
        if not line.startswith(start):
            break
        said.insert(0, line.removeprefix(start))
    return " ".join(said)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
