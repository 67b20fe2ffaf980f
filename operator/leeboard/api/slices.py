"""Row filters as people write them: `period < 12 and airline in ("AA", "UA")`. They are parsed, and never run as code.

    filter      = filter and filter | filter or filter | not filter | ( filter ) | comparison | column in ( values )
    comparison  = column < <= > >= == != value, also chained: 6 <= hour < 12

Values are numbers, words in quotes, True and False. A column whose name is no word stands in back-ticks.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Value = bool | int | float | str
Operator = Literal["<", "<=", ">", ">=", "==", "!="]

_SIGNS: dict[type[ast.cmpop], Operator] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_MIRRORED: dict[Operator, Operator] = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_QUOTED = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|`([^`]+)`""")
_HINT = "write comparisons of a column with a value, such as period < 12, joined by and, or, not"


@dataclass(frozen=True)
class Comparison:
    """A column against a value."""

    column: str
    operator: Operator
    value: Value


@dataclass(frozen=True)
class Membership:
    """A column among values."""

    column: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Not:
    """The rows that a filter leaves out."""

    part: "Filter"


@dataclass(frozen=True)
class All:
    """The rows that every part lets through."""

    parts: tuple["Filter", ...]


@dataclass(frozen=True)
class Some:
    """The rows that at least one part lets through."""

    parts: tuple["Filter", ...]


Filter = Comparison | Membership | Not | All | Some


def parse(text: str) -> Filter:
    """Read a filter.

    Raises:
        ValueError: the text is no filter; the message says where and what to write.
    """
    names: dict[str, str] = {}

    def word_for(found: re.Match[str]) -> str:
        if found[2] is None:
            return found[0]
        word = f"quoted_{len(names)}_"
        names[word] = found[2]
        return word

    try:
        tree = ast.parse(_QUOTED.sub(word_for, text.strip()), mode="eval")
        return _Reader(text, names).read(tree.body)
    except (SyntaxError, RecursionError, MemoryError):
        raise ValueError(f"the slice {text!r} cannot be read: {_HINT}") from None


def columns(found: Filter) -> Iterator[str]:
    """Yield the columns that a filter names, in its order."""
    match found:
        case Comparison() | Membership():
            yield found.column
        case Not():
            yield from columns(found.part)
        case All() | Some():
            for part in found.parts:
                yield from columns(part)


class _Reader:
    def __init__(self, text: str, names: Mapping[str, str]) -> None:
        self._text = text
        self._names = names

    def read(self, node: ast.expr) -> Filter:
        match node:
            case ast.BoolOp(op=ast.And(), values=parts):
                return All(tuple(self.read(part) for part in parts))
            case ast.BoolOp(values=parts):
                return Some(tuple(self.read(part) for part in parts))
            case ast.UnaryOp(op=ast.Not(), operand=part):
                return Not(self.read(part))
            case ast.Compare(left=left, ops=signs, comparators=rights):
                lefts = [left, *rights[:-1]]
                links = tuple(self._link(*link) for link in zip(lefts, signs, rights, strict=True))
                return links[0] if len(links) == 1 else All(links)
            case _:
                raise self._refusal(node)

    def _link(self, left: ast.expr, sign: ast.cmpop, right: ast.expr) -> Filter:
        match sign, left, right:
            case ast.In() | ast.NotIn(), ast.Name(), ast.Tuple(elts=listed) | ast.List(elts=listed):
                among = Membership(self._column(left), tuple(self._value(one) for one in listed))
                return Not(among) if isinstance(sign, ast.NotIn) else among
            case ast.In() | ast.NotIn() | ast.Is() | ast.IsNot(), _, _:
                raise self._refusal(left)
            case _, ast.Name(), _:
                return Comparison(self._column(left), _SIGNS[type(sign)], self._value(right))
            case _, _, ast.Name():
                return Comparison(self._column(right), _MIRRORED[_SIGNS[type(sign)]], self._value(left))
            case _:
                raise self._refusal(right if isinstance(left, ast.Constant) else left)

    def _column(self, node: ast.Name) -> str:
        return self._names.get(node.id, node.id)

    def _value(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=bool() | int() | float() | str() as value):
                return value
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
                return -value
            case _:
                raise self._refusal(node)

    def _refusal(self, node: ast.expr) -> ValueError:
        shown = ast.unparse(node)
        for word, name in self._names.items():
            shown = shown.replace(word, f"`{name}`")
        return ValueError(f"the slice {self._text!r} cannot be read at {shown!r}: {_HINT}")
