"""The table of reasons has every reason that the operator gives, once, and no other."""

import ast
import re
from pathlib import Path

from leeboard.api.modeldeployment import Outcome, Verdict
from leeboard.api.reasons import REASONS
from leeboard.api.retrainpolicy import RunOutcome

ROOT = Path(__file__).parents[2]
ROOMS = ("control", "services", "modeldeployment", "driftmonitor", "retrainpolicy")
CAMEL_CASE = re.compile(r"[A-Z][a-z]+([A-Z][a-z]+)*")

COMPOSED = {
    *(f"Analysis{verdict.value}" for verdict in Verdict),
    *(f"Rollout{outcome.value}" for outcome in Outcome),
    *(f"Run{outcome.value}" for outcome in RunOutcome),
}
"""Events whose reason is put together from a verdict or an outcome."""

OTHER_WORDS = """
Available DetectorReady Ready Reconciling RouteReady Stalled True False Unknown
Accept AlreadyExists Background BearerToken BlockedByFailedLoad Complete CustomResourceDefinition Deployment Event Exact
Failed Gateway InferenceService ModelLoadFailed Never Normal PathPrefix Progressing RayJob ReplicaFailure RequestMirror
ResolvedRefs RuntimeDefault Service ServingRuntime Standard Strict TransformerReady Warning
Cancelled Queued Running Succeeded Unclaimed Unmade
ContainerCreating DisruptionTarget ErrImageNeverPull ErrImagePull Error ImagePullBackOff Initializing InvalidImageName
Pod PodInitializing PodScheduled
Analysis Rollout Run
Bug Step Transient
Connection Key Look Loop Model NotYetError Ref Seen SpecError Subject TransientError
"""
"""Words of the form of a reason that are none: conditions and their values, words of the neighbours, states of jobs,
beginnings of composed reasons, labels of metrics, names in Python. A new word belongs here or into the table."""


def _words() -> set[str]:
    files = [path for room in ROOMS for path in (ROOT / "operator/leeboard" / room).rglob("*.py")]
    files.append(ROOT / "operator/leeboard/api/errors.py")
    nodes = (node for path in files for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    words = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {word for word in words if CAMEL_CASE.fullmatch(word)}


def _table() -> list[str]:
    return [reason.name for group in REASONS.values() for reason in group]


def test_has_each_reason_once():
    assert sorted(_table()) == sorted(set(_table()))


def test_has_every_reason_that_the_operator_gives():
    assert sorted((_words() | COMPOSED) - set(OTHER_WORDS.split()) - set(_table())) == []


def test_has_only_reasons_that_the_operator_gives():
    assert sorted(set(_table()) - _words() - COMPOSED) == []


def test_says_what_each_means_and_what_to_do_where_a_person_must_act():
    for where, group in REASONS.items():
        for reason in group:
            assert not reason.means.endswith(".")
            assert "|" not in reason.means + reason.do
            assert reason.do or "Stalled" not in where, f"{reason.name} leaves the reader alone"
