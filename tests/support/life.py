"""One operator, or two in a row, on a real API server with played neighbours; and a retraining for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from leeboard.contract.jobs import JobOutcome, RetrainReport, RetrainRequest
from leeboard.contract.registry import ModelVersion, RegisteredModel
from leeboard.control.client import Client
from leeboard.settings import Settings
from tests.support.bench import Bench
from tests.support.dyingoperator import Fate, MortalOperator, PlayedNeighbours
from tests.support.operatorprocess import end_job, jobs, request_of
from tests.support.playedcluster import PlayedCluster

NAME = "flights"
POLICY = {
    "modelDeploymentRef": {"name": NAME},
    "level": {"manual": {}},
    "data": {"window": {"duration": "14d"}},
    "trainer": {"builtin": {"refit": {}}},
    "evaluation": {"gates": [{"name": "better", "metric": "roc_auc", "minGainOverChampion": 0}]},
}


@dataclass
class Life:
    """What one operator, or two in a row, made of the world."""

    bench: Bench
    client: Client
    fate: Fate
    neighbours: PlayedNeighbours = field(init=False)
    operator: MortalOperator = field(init=False)
    cluster: PlayedCluster = field(init=False)

    def __post_init__(self) -> None:
        first = RegisteredModel("flights", aliases={"champion": "1"}, versions={"1": ModelVersion("1")})
        self.neighbours = PlayedNeighbours(self.fate, first)
        settings = Settings(collector_url="http://collector", namespaces=(self.bench.namespace,))
        self.operator = MortalOperator(self.client, self.neighbours, self.fate, settings)
        self.cluster = PlayedCluster(self.bench)

    async def read(self, plural: str) -> dict[str, Any]:
        return dict((await self.bench.read(NAME, plural)).get("status") or {})

    async def answer_jobs(self, report: Any) -> None:
        for name, raw in (await jobs(self.bench)).items():
            if "status" not in raw:
                request = await request_of(self.bench, name)
                self.neighbours.answer(request.request_hash, report(request))
                await end_job(self.bench, name)


def passed(request: Any) -> RetrainReport:
    assert isinstance(request, RetrainRequest)
    return RetrainReport(
        request_hash=request.request_hash, outcome=JobOutcome.MEASURED, passed=True, version="2", high_water_mark=9
    )
