"""What stands beneath the fields of a model: the text of `kubectl explain`, read from the source when it is wanted.

Pydantic reads it, too (`use_attribute_docstrings`), but whenever a class is made: that is a third of what importing
the API costs each command and each job.
"""

import ast
import inspect
import sys
from functools import cache
from itertools import pairwise

from pydantic import BaseModel


def docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Return the docstrings of a model's fields, inherited ones included, by the field's name in Python."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        found |= _by_class(base.__module__).get(base.__qualname__, {}) if issubclass(base, BaseModel) else {}
    return {name: text for name, text in found.items() if name in model.model_fields}


@cache
def _by_class(module: str) -> dict[str, dict[str, str]]:
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {statement.name: _beneath(statement) for statement in tree.body if isinstance(statement, ast.ClassDef)}


def _beneath(statement: ast.ClassDef) -> dict[str, str]:
    found = {}
    for field, text in pairwise(statement.body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(docstring))):
                found[name] = inspect.cleandoc(docstring)
    return found
