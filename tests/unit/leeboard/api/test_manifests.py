"""Pydantic's verdict on good and bad manifests; tests/wire/test_api.py demands the same of the API server."""

import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from leeboard.api.base import ApiModel
from leeboard.crdgen.kinds import KINDS, Kind
from tests.support.manifests import CASES, Case

MODELS = {kind.kind: kind.model for kind in KINDS}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.sentence}")
def test_judges_manifests(case: Case):
    document = json.dumps(case.document())
    if case.good:
        MODELS[case.kind].model_validate_json(document, strict=True)
        return
    with pytest.raises(ValidationError) as refusal:
        MODELS[case.kind].model_validate_json(document, strict=True)
    assert case.says in str(refusal.value)


def test_knows_each_case_by_a_sentence_of_its_own():
    sentences = [(case.kind, case.sentence) for case in CASES]
    assert len(set(sentences)) == len(sentences)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_tries_every_rule_in_both_directions(kind: Kind):
    """Each rule of a kind is named by a bad case; the good ones pass them all."""
    messages = set(_messages(kind.spec))
    named = [case.says for case in CASES if case.kind == kind.kind and case.says]
    shared = [case.says for case in CASES if case.says]
    untried = {message for message in messages if not any(words in message for words in (*named, *shared))}
    assert not untried


def _messages(model: type[ApiModel]) -> Iterator[str]:
    seen: set[type[ApiModel]] = set()
    waiting = [model]
    while waiting:
        found = waiting.pop()
        if found in seen:
            continue
        seen.add(found)
        yield from (rule.message for rule in found.rules)
        waiting += [inner for field in found.model_fields.values() for inner in _models_in(field.annotation)]


def _models_in(annotation: Any) -> Iterator[type[ApiModel]]:
    if isinstance(annotation, type) and issubclass(annotation, ApiModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
