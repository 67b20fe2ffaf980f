# ruff: noqa: E501 -- a table reads best with one case per line
"""Good and bad manifests of the three kinds: what the API server and pydantic must judge alike."""

import copy
from dataclasses import dataclass, field
from typing import Any

LEFT_OUT = object()

MODEL_DEPLOYMENT: dict[str, Any] = {"model": {"name": "flights"}}
DRIFT_MONITOR: dict[str, Any] = {
    "modelDeploymentRef": {"name": "flights"},
    "schedule": {"every": "30m"},
    "window": {"duration": "6h"},
}
RETRAIN_POLICY: dict[str, Any] = {
    "modelDeploymentRef": {"name": "flights"},
    "level": {"manual": {}},
    "data": {"window": {"duration": "14d"}},
    "trainer": {"builtin": {"refit": {}}},
    "evaluation": {"gates": [{"name": "better", "metric": "roc_auc", "min": 0.7}]},
}
_SPECS = {"ModelDeployment": MODEL_DEPLOYMENT, "DriftMonitor": DRIFT_MONITOR, "RetrainPolicy": RETRAIN_POLICY}


@dataclass(frozen=True)
class Case:
    """A manifest, and the verdict on it."""

    sentence: str
    kind: str
    good: bool
    spec: dict[str, Any] = field(default_factory=dict)
    """What differs from the smallest spec of the kind, by path."""
    says: str = ""
    """What a refusal must say, whoever refuses."""
    name: str = "flights"

    def document(self, namespace: str = "default") -> dict[str, Any]:
        """Return the whole manifest."""
        spec = copy.deepcopy(_SPECS[self.kind])
        for path, value in self.spec.items():
            _put(spec, path.split("."), value)
        metadata = {"name": self.name, "namespace": namespace}
        return {"apiVersion": "leeboard.dev/v1alpha1", "kind": self.kind, "metadata": metadata, "spec": spec}


def _put(inside: dict[str, Any], path: list[str], value: Any) -> None:
    first, *rest = path
    if rest:
        _put(inside.setdefault(first, {}), rest, value)
    elif value is LEFT_OUT:
        del inside[first]
    else:
        inside[first] = value


def _good(kind: str, sentence: str, **more: Any) -> Case:
    return Case(sentence, kind, good=True, **more)


def _bad(kind: str, sentence: str, **more: Any) -> Case:
    return Case(sentence, kind, good=False, **more)


def _canary(*weights: int, hold: str = "10m") -> dict[str, Any]:
    return {"name": "canary", "canary": {"steps": [{"weight": weight, "hold": hold} for weight in weights]}}


def _metric(**measured: Any) -> list[dict[str, Any]]:
    return [{"name": "metric", **measured}]


M, D, R = "ModelDeployment", "DriftMonitor", "RetrainPolicy"
STAGES, METRICS, OOD = "rollout.stages", "rollout.analysis.metrics", "outOfDistribution"
COLUMNS = "logging.columns"
TRIGGERS, GATES = "level", "evaluation.gates"


def _continual(*triggers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"continual": {"triggers": list(triggers), **more}}


def _performance(*metrics: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"checks": [{"name": "quality", "performance": {"metrics": list(metrics), **more}}]}


def _joint(**test: Any) -> list[dict[str, Any]]:
    return [{"name": "joint", "multivariateTest": test}]


AGE = {"name": "age", "time": {"maxAge": "7d"}}
PARTIAL = {"builtin": {"partialFit": {}}, "warmStart": "Champion"}
AUC = {"name": "better", "metric": "roc_auc", "min": 0.7}
PACK = {"dataset": {"uri": "/pack", "labelColumn": "late"}, "metrics": [{"name": "accuracy", "min": 0.8}]}

MODEL_DEPLOYMENTS = [
    _good(M, "the smallest deployment"),
    _bad(M, "no spec fields at all", spec={"model": LEFT_OUT}),
    _bad(M, "a field that nobody knows", spec={"colour": "blue"}),
    _bad(M, "a nested field that nobody knows", spec={"model.colour": "blue"}),
    _bad(M, "an unknown field in a variant without parameters", spec={OOD: {"detector": {"mahalanobis": {"k": 1}}}}),
    _bad(M, "a name that is no DNS label", name="flights.v1"),
    _good(M, "a name as long as may be", name="f" * 63),
    _bad(M, "a name that is too long", name="f" * 64),
    # model
    _good(M, "a model name with dots and spaces", spec={"model.name": "EU flights v1.2_b"}),
    _bad(M, "a model name with a slash", spec={"model.name": "eu/flights"}),
    _bad(M, "a model name that is too long", spec={"model.name": "f" * 129}),
    _bad(M, "an empty model name", spec={"model.name": ""}),
    _good(M, "a pinned version", spec={"model.version": "7"}),
    _bad(M, "a version that is a number", spec={"model.version": 7}),
    _bad(M, "a version with a leading zero", spec={"model.version": "07"}),
    _bad(M, "a version that is too long", spec={"model.version": "1234567890"}),
    _bad(M, "a pinned version with an alias", spec={"model.version": "7", "model.alias": "live"}, says="leave alias"),
    _bad(
        M,
        "a pinned version with a candidate alias",
        spec={"model.version": "7", "model.candidateAlias": "next"},
        says="version pins the model in Git",
    ),
    _good(M, "aliases of one's own", spec={"model.alias": "live", "model.candidateAlias": "next"}),
    _bad(M, "the same alias twice", spec={"model.alias": "a", "model.candidateAlias": "a"}, says="must differ"),
    _bad(M, "an alias that is the other's default", spec={"model.alias": "challenger"}, says="must differ"),
    _bad(M, "an alias that MLflow reserves", spec={"model.alias": "Latest"}, says="MLflow reserves"),
    _bad(M, "an alias like a version", spec={"model.candidateAlias": "V12"}, says="MLflow reserves"),
    _good(M, "an alias that only looks like a version", spec={"model.alias": "v12b"}),
    _bad(M, "an alias with a space", spec={"model.alias": "my champion"}),
    # serving
    _good(M, "v1", spec={"serving.protocolVersion": "v1"}),
    _bad(M, "v3", spec={"serving.protocolVersion": "v3"}),
    _good(M, "as many replicas at most as at least", spec={"serving.replicas": {"min": 2, "max": 2}}),
    _bad(M, "fewer at most than at least", spec={"serving.replicas": {"min": 3, "max": 2}}, says="max must not be below"),
    _good(M, "at most one replica", spec={"serving.replicas": {"max": 1}}),
    _bad(M, "scale to zero", spec={"serving.replicas": {"min": 0}}),
    _bad(M, "too many replicas", spec={"serving.replicas": {"min": 1001}}),
    _bad(M, "half a replica", spec={"serving.replicas": {"min": 1.5}}),
    _good(M, "resources", spec={"serving.resources": {"requests": {"cpu": "500m", "memory": "1.5Gi"}}}),
    _bad(M, "a quantity without sense", spec={"serving.resources": {"requests": {"cpu": "lots"}}}),
    _bad(M, "too many resources", spec={"serving.resources": {"limits": {f"r{i}": "1" for i in range(17)}}}),
    _good(M, "predictor fields passed through", spec={"serving.predictor": {"nodeSelector": {"a": "b"}}}),
    _bad(M, "predictor.minReplicas", spec={"serving.predictor": {"minReplicas": 2}}, says="what Leeboard writes"),
    _bad(M, "predictor.model", spec={"serving.predictor": {"model": {}}}, says="what Leeboard writes"),
    _bad(M, "predictor.containers", spec={"serving.predictor": {"containers": [{}]}}, says="what Leeboard writes"),
    _bad(M, "too many predictor fields", spec={"serving.predictor": {f"f{i}": 1 for i in range(17)}}),
    # out of distribution
    _good(M, "the default detector", spec={OOD: {}}),
    _bad(M, "no detector", spec={OOD: {"detector": {}}}, says="set exactly one of: maxSoftmax"),
    _bad(M, "two detectors", spec={OOD: {"detector": {"knn": {}, "mahalanobis": {}}}}, says="set exactly one of"),
    _good(M, "energy of logits", spec={OOD: {"detector": {"energy": {}}, "input": "Logits"}}),
    _bad(M, "energy of instances", spec={OOD: {"detector": {"energy": {}}}}, says="maxLogit and energy read logits"),
    _good(M, "softmax of probabilities", spec={OOD: {"detector": {"maxSoftmax": {}}, "input": "Probabilities"}}),
    _bad(M, "softmax of features", spec={OOD: {"detector": {"maxSoftmax": {}}, "input": "Features"}}, says="maxSoftmax"),
    _good(M, "neighbours among features", spec={OOD: {"detector": {"knn": {}}, "input": "Features"}}),
    _bad(M, "neighbours among logits", spec={OOD: {"detector": {"knn": {}}, "input": "Logits"}}, says="pca and isolationForest read instances or features"),
    *(_good(M, f"{kind} of features", spec={OOD: {"detector": {kind: {}}, "input": "Features"}}) for kind in ("relativeMahalanobis", "vim", "react", "pca", "isolationForest", "auto")),
    *(_good(M, f"{kind} of logits", spec={OOD: {"detector": {kind: {}}, "input": "Logits"}}) for kind in ("maxLogit", "klMatching", "auto")),
    _bad(M, "a virtual logit of instances", spec={OOD: {"detector": {"vim": {}}}}, says="vim and react read features"),
    _bad(M, "a forest without trees", spec={OOD: {"detector": {"isolationForest": {"trees": 0}}}}),
    _bad(M, "components that hold everything", spec={OOD: {"detector": {"pca": {"variance": 1}}}}),
    _good(M, "a threshold for each class", spec={OOD: {"calibration": "PerClass"}}),
    _bad(M, "a threshold for each class without classes", spec={OOD: {"detector": {"knn": {}}, "calibration": "PerClass"}}, says="PerClass needs a detector that knows classes"),
    _bad(M, "acceptance of everything", spec={OOD: {"acceptance": 1}}),
    _good(M, "acceptance of half", spec={OOD: {"acceptance": 0.5}}),
    _bad(M, "acceptance of too little", spec={OOD: {"acceptance": 0.49}}),
    _bad(M, "a temperature of zero", spec={OOD: {"detector": {"energy": {"temperature": 0}}, "input": "Logits"}}),
    _bad(M, "an answer that does not exist", spec={OOD: {"onDetection": "reject"}}),
    _good(M, "a version of a Delta table", spec={f"{OOD}.reference.dataset": {"uri": "/t", "format": "Delta", "version": 3}}),
    _bad(M, "a version of a Parquet table", spec={f"{OOD}.reference.dataset": {"uri": "/t", "version": 3}}, says="only a Delta"),
    _bad(M, "a table without a scheme", spec={f"{OOD}.reference.dataset": {"uri": "tables/t"}}),
    # logging and routing
    _good(M, "no logging", spec={"logging.samplePercent": 0}),
    _bad(M, "more than everything logged", spec={"logging.samplePercent": 101}),
    _good(M, "columns dropped and rounded", spec={COLUMNS: {"drop": ["name"], "round": {"age": -1}}}),
    _good(M, "columns hashed", spec={COLUMNS: {"hash": ["id"], "hashKeyRef": {"name": "keys", "key": "log"}}}),
    _bad(M, "columns hashed without a key", spec={COLUMNS: {"hash": ["id"]}}, says="hash needs hashKeyRef"),
    _bad(M, "a column dropped and rounded", spec={COLUMNS: {"drop": ["a"], "round": {"a": 1}}}, says="neither hashed nor"),
    _bad(M, "a column dropped and hashed", spec={COLUMNS: {"drop": ["a"], "hash": ["a"], "hashKeyRef": {"name": "k", "key": "k"}}}, says="neither hashed nor"),
    _bad(M, "a column hashed and rounded", spec={COLUMNS: {"hash": ["a"], "round": {"a": 1}, "hashKeyRef": {"name": "k", "key": "k"}}}, says="hashed or rounded"),
    _bad(M, "a column dropped twice", spec={COLUMNS: {"drop": ["a", "a"]}}),
    _bad(M, "half a decimal place", spec={COLUMNS: {"round": {"a": 0.5}}}),
    _good(M, "host names", spec={"routing.hostnames": ["a.example.com", "*.example.com"]}),
    _bad(M, "the same host name twice", spec={"routing.hostnames": ["a.com", "a.com"]}),
    _bad(M, "a host name with a scheme", spec={"routing.hostnames": ["https://a.com"]}),
    _bad(M, "too many host names", spec={"routing.hostnames": [f"h{i}.com" for i in range(17)]}),
    _good(M, "a gateway", spec={"routing.gatewayRef": {"name": "public", "namespace": "edge"}}),
    _bad(M, "a gateway without a name", spec={"routing.gatewayRef": {"namespace": "edge"}}),
    # verification
    _good(M, "a test pack", spec={"verification": PACK}),
    _good(M, "a test pack with both bounds", spec={"verification": {**PACK, "metrics": [{"name": "mae", "min": 3, "maxDropFromStable": 0}]}}),
    _bad(M, "a test pack without labels", spec={"verification": {**PACK, "dataset": {"uri": "/pack"}}}, says="a test pack has labels"),
    _bad(M, "a test pack without metrics", spec={"verification": {**PACK, "metrics": []}}),
    _bad(M, "a metric of a test pack without a bound", spec={"verification": {**PACK, "metrics": [{"name": "accuracy"}]}}, says="at least one of: min"),
    _bad(M, "a metric that does not exist", spec={"verification": {**PACK, "metrics": [{"name": "precision", "min": 0}]}}),
    _bad(M, "the same metric twice", spec={"verification": {**PACK, "metrics": [{"name": "f1", "min": 0.1}] * 2}}),
    # rollout
    _good(M, "steps that grow", spec={STAGES: [_canary(1, 50, 99)]}),
    _bad(M, "steps that shrink", spec={STAGES: [_canary(50, 10)]}, says="weights must grow"),
    _bad(M, "the same step twice", spec={STAGES: [_canary(50, 50)]}, says="weights must grow"),
    _bad(M, "a step of everything", spec={STAGES: [_canary(100)]}),
    _bad(M, "a step of nothing", spec={STAGES: [_canary(0)]}),
    _bad(M, "no steps", spec={STAGES: [_canary()]}),
    _good(M, "as many steps as may be", spec={STAGES: [_canary(*range(1, 21))]}),
    _bad(M, "too many steps", spec={STAGES: [_canary(*range(1, 22))]}),
    _bad(M, "no stages", spec={STAGES: []}),
    _bad(M, "a stage without a kind", spec={STAGES: [{"name": "canary"}]}, says="set exactly one of: shadow, canary"),
    _bad(M, "a stage that does not exist", spec={STAGES: [{"name": "abtest", "abTest": {}}]}),
    _bad(M, "a stage of two kinds", spec={STAGES: [{**_canary(5), "shadow": {}}]}, says="exactly one"),
    _good(M, "a shadow as it comes", spec={STAGES: [{"name": "shadow", "shadow": {}}]}),
    _good(M, "a shadow before a canary", spec={STAGES: [{"name": "shadow", "shadow": {"percent": 10, "minAgreement": 0.9}}, _canary(5)]}),
    _bad(M, "a shadow of nothing", spec={STAGES: [{"name": "shadow", "shadow": {"percent": 0}}]}),
    _bad(M, "an agreement above all", spec={STAGES: [{"name": "shadow", "shadow": {"minAgreement": 1.1}}]}),
    _bad(M, "a negative tolerance", spec={STAGES: [{"name": "shadow", "shadow": {"tolerance": -1}}]}),
    _bad(M, "a shadow longer than the deadline", spec={STAGES: [{"name": "shadow", "shadow": {"duration": "2h"}}]}, says="longest hold"),
    _good(M, "a person's approval", spec={"rollout.approval": "Manual"}),
    _bad(M, "nobody's approval", spec={"rollout.approval": "Never"}),
    _good(M, "a version by header", spec={"routing.versionHeader": True}),
    _bad(M, "two stages of one name", spec={STAGES: [_canary(5), _canary(10)]}),
    _bad(M, "a stage whose name is no name", spec={STAGES: [{**_canary(5), "name": "Canary 1"}]}),
    _good(M, "a deadline longer than the longest hold", spec={STAGES: [_canary(5, hold="59m")], "rollout.progressDeadline": "1h"}),
    _bad(
        M,
        "a deadline as long as the longest hold",
        spec={STAGES: [_canary(5, hold="60m")], "rollout.progressDeadline": "1h"},
        says="progressDeadline must be longer than the longest hold",
    ),
    _bad(M, "a hold longer than the default deadline", spec={STAGES: [_canary(5, hold="1d")]}, says="longest hold"),
    _bad(M, "a duration with two units", spec={"rollout.bake": "1h30m"}),
    _bad(M, "a duration of nothing", spec={"rollout.bake": "0s"}),
    _bad(M, "a duration without a unit", spec={"rollout.bake": "30"}),
    _bad(M, "a duration that is too long", spec={"rollout.bake": "1000000s"}),
    # analysis
    _good(M, "no metrics", spec={METRICS: []}),
    _bad(M, "a metric without a kind", spec={METRICS: _metric()}, says="set exactly one of: errorRate"),
    _bad(M, "a metric of two kinds", spec={METRICS: _metric(errorRate={"max": 0}, latency={"maxSeconds": 1})}, says="exactly one"),
    _bad(M, "two metrics of one name", spec={METRICS: _metric(errorRate={"max": 0}) * 2}),
    _bad(M, "an error rate without a bound", spec={METRICS: _metric(errorRate={})}),
    _bad(M, "an error rate above all", spec={METRICS: _metric(errorRate={"max": 1.1})}),
    _good(M, "a latency in seconds", spec={METRICS: _metric(latency={"quantile": 0.5, "maxSeconds": 0.2})}),
    _bad(M, "a latency without a bound", spec={METRICS: _metric(latency={})}, says="set exactly one of: maxSeconds"),
    _bad(M, "a latency with two bounds", spec={METRICS: _metric(latency={"maxSeconds": 1, "maxRatioToStable": 2})}, says="exactly one"),
    _bad(M, "the largest latency", spec={METRICS: _metric(latency={"quantile": 1, "maxSeconds": 1})}),
    _good(M, "a rate out of distribution", spec={METRICS: _metric(outOfDistributionRate={"max": 0.2})}),
    _bad(M, "a rate out of distribution without a bound", spec={METRICS: _metric(outOfDistributionRate={})}, says="exactly one of: max"),
    _good(M, "a query of every variable", spec={METRICS: _metric(promql={"query": "f({{candidateArm}}, {{stableVersion}}, {{interval}})", "min": 1})}),
    _bad(M, "a query without a bound", spec={METRICS: _metric(promql={"query": "up"})}, says="set min, max or both"),
    _bad(M, "a query of an unknown variable", spec={METRICS: _metric(promql={"query": "f({{pod}})", "max": 1})}, says="query may use"),
    _bad(M, "a query with a space in a variable", spec={METRICS: _metric(promql={"query": "f({{ interval }})", "max": 1})}, says="query may use"),
    _bad(M, "an empty query", spec={METRICS: _metric(promql={"query": "", "max": 1})}),
    _bad(M, "a query that is too long", spec={METRICS: _metric(promql={"query": "x" * 2049, "max": 1})}),
    _bad(M, "an answer to no data that does not exist", spec={METRICS: _metric(errorRate={"max": 0}, noData="Wait")}),
    _bad(M, "too many metrics", spec={METRICS: [{"name": f"m{i}", "errorRate": {"max": 0}} for i in range(21)]}),
    # job
    _good(M, "a standing cluster", spec={"job.clusterSelector": {"ray.io/cluster": "shared"}}),
    _bad(M, "a standing cluster and one of one's own", spec={"job": {"clusterSelector": {"a": "b"}, "cluster": {}}}, says="at most one"),
    _bad(M, "a standing cluster with an image", spec={"job": {"clusterSelector": {"a": "b"}, "image": "i"}}, says="clusterSelector excludes"),
    _bad(M, "a standing cluster with a queue", spec={"job": {"clusterSelector": {"a": "b"}, "queueName": "q"}}, says="clusterSelector excludes"),
    _bad(M, "an empty selector", spec={"job.clusterSelector": {}}),
    _good(M, "a cluster of one's own", spec={"job.cluster": {"workers": 3, "gpusPerWorker": 1}}),
    _bad(M, "a toleration of an unknown effect", spec={"job.cluster": {"tolerations": [{"effect": "Sometimes"}]}}),
    _bad(M, "too many retries", spec={"job.retries": 11}),
    _good(M, "suspended", spec={"suspend": True}),
    _bad(M, "suspended by a word", spec={"suspend": "yes"}),
]  # fmt: skip

DRIFT_MONITORS = [
    _good(D, "the smallest monitor"),
    _bad(D, "no schedule", spec={"schedule": LEFT_OUT}),
    _bad(D, "a schedule of nothing", spec={"schedule": {}}, says="set exactly one of: every, cron"),
    _bad(D, "two schedules", spec={"schedule": {"every": "1h", "cron": "0 * * * *"}}, says="set exactly one of: every"),
    _good(D, "a cron schedule with a time zone", spec={"schedule": {"cron": "*/15 0-6 * * MON", "timeZone": "Europe/Berlin"}}),
    _bad(D, "a time zone without cron", spec={"schedule": {"every": "1h", "timeZone": "UTC"}}, says="timeZone belongs to cron"),
    _bad(D, "a cron schedule of six fields", spec={"schedule": {"cron": "0 0 * * * *"}}),
    _good(D, "every ten seconds", spec={"schedule.every": "10s"}),
    _bad(D, "every nine seconds", spec={"schedule.every": "9s"}, says="every must be at least 10s"),
    _good(D, "every minute", spec={"schedule.every": "1m"}),
    _good(D, "a reference table", spec={"reference": {"dataset": {"uri": "s3://b/t"}}}),
    _bad(D, "no reference", spec={"reference": {}}, says="set exactly one of: trainingData, dataset"),
    _bad(D, "two references", spec={"reference": {"trainingData": {}, "dataset": {"uri": "/t"}}}, says="exactly one"),
    _bad(D, "no window", spec={"window": {}}),
    _bad(D, "a window of too many rows", spec={"window.maxRows": 100_000_001}),
    _bad(D, "a window of no rows", spec={"window.minRows": 0}),
    _good(D, "weighting by importance", spec={"columns.weighting": "Importance"}),
    _good(D, "weights", spec={"columns.weights": {"distance": 2, "hour": 0.5}}),
    _bad(D, "weights and weighting", spec={"columns": {"weights": {"a": 1}, "weighting": "Uniform"}}, says="at most one of: weighting"),
    _bad(D, "a negative weight", spec={"columns.weights": {"a": -1}}),
    _bad(D, "no weights", spec={"columns.weights": {}}),
    _bad(D, "no columns", spec={"columns.include": []}),
    _bad(D, "a column named twice", spec={"columns.include": ["a", "a"]}),
    _bad(D, "a column without a name", spec={"columns.exclude": [""]}),
    _bad(D, "a column name that is too long", spec={"columns.exclude": ["c" * 129]}),
    _bad(D, "no checks", spec={"checks": []}),
    _bad(D, "a check of nothing", spec={"checks": [{"name": "a"}]}, says="set exactly one of: univariateTest"),
    _bad(D, "a check of two things", spec={"checks": [{"name": "a", "prediction": {}, "univariateTest": {}}]}, says="exactly one"),
    _bad(D, "two checks of one name", spec={"checks": [{"name": "a", "prediction": {}}, {"name": "a", "univariateTest": {}}]}),
    _good(D, "all checks", spec={"checks": [{"name": c.lower(), c: {}} for c in ("univariateTest", "univariateDistance", "prediction", "outOfDistributionRate", "dataQuality")]}),
    _bad(D, "a share of missing values above all", spec={"checks": [{"name": "a", "dataQuality": {"missing": 1.5}}]}),
    _good(D, "the time before as a reference", spec={"reference": {"trailing": {"window": "7d", "gap": "1d"}}}),
    _bad(D, "a trailing reference of no length", spec={"reference": {"trailing": {}}}),
    _good(D, "the same time a week ago", spec={"reference": {"sameTime": {"ago": "7d", "windows": 4}}}),
    _good(D, "a window as long as its reference is ago", spec={"reference": {"sameTime": {"ago": "6h"}}}),
    _bad(D, "a window that is its own reference", spec={"reference": {"sameTime": {"ago": "5h"}}}, says="its own reference"),
    _bad(D, "references of no window", spec={"reference": {"sameTime": {"ago": "7d", "windows": 0}}}),
    _good(D, "quality of answers", spec=_performance({"name": "accuracy", "maxDrop": 0.03}, {"name": "log_loss", "maxDrop": 0.2, "baseline": 0.4})),
    _good(D, "quality estimated before labels come", spec=_performance({"name": "f1", "maxDrop": 0.1}, estimate="ConfidenceBased")),
    _bad(D, "an estimate that does not exist", spec=_performance({"name": "f1", "maxDrop": 0.1}, estimate="Guess")),
    _good(D, "a loss of quantiles", spec=_performance({"name": "quantile_loss", "maxDrop": 2, "quantile": 0.9})),
    _bad(D, "a quantile of another metric", spec=_performance({"name": "mae", "maxDrop": 2, "quantile": 0.9}), says="quantile belongs"),
    _bad(D, "a metric that does not exist", spec=_performance({"name": "acuracy", "maxDrop": 0.1})),
    _bad(D, "a metric without a bound", spec=_performance({"name": "mae"})),
    _bad(D, "quality by no metric", spec=_performance()),
    _bad(D, "a metric named twice", spec=_performance({"name": "f1", "maxDrop": 0.1}, {"name": "f1", "maxDrop": 0.2})),
    _bad(D, "quality of no labels", spec=_performance({"name": "f1", "maxDrop": 0.1}, minCoverage=0)),
    _good(D, "a joint test of each kind", spec={"checks": [{"name": m.lower(), "multivariateTest": {m: {}}} for m in ("maximumMeanDiscrepancy", "energyDistance", "domainClassifier", "pcaReconstruction")]}),
    _good(D, "a joint test with everything said", spec={"checks": _joint(maximumMeanDiscrepancy={"permutations": 1000, "bandwidths": [0.5, 1, 2], "reduce": {"pca": {"components": 8}}}, alpha=0.005, minEffect=0.1, spans=7)}),
    _good(D, "a projection of embeddings", spec={"checks": _joint(energyDistance={"reduce": {"randomProjection": {}}})}),
    _bad(D, "a joint test of nothing", spec={"checks": _joint()}, says="set exactly one of: maximumMeanDiscrepancy"),
    _bad(D, "a joint test of two kinds", spec={"checks": _joint(energyDistance={}, domainClassifier={})}, says="set exactly one of: maximumMeanDiscrepancy"),
    _bad(D, "too few permutations for alpha", spec={"checks": _joint(energyDistance={"permutations": 99})}, says="permutations must exceed"),
    _bad(D, "an alpha too small for the default permutations", spec={"checks": _joint(maximumMeanDiscrepancy={}, alpha=0.001)}, says="permutations must exceed"),
    _good(D, "a small alpha without permutations", spec={"checks": _joint(domainClassifier={}, alpha=0.001)}),
    _good(D, "a test of what a model makes of rows", spec={"checks": _joint(energyDistance={"reduce": {"modelFeatures": {}}})}),
    _good(D, "a test of what texts mean", spec={"checks": _joint(maximumMeanDiscrepancy={"reduce": {"sentenceEmbeddings": {"columns": ["comment"]}}})}),
    _bad(D, "meanings of no column", spec={"checks": _joint(energyDistance={"reduce": {"sentenceEmbeddings": {"columns": []}}})}),
    _bad(D, "meanings of a column named twice", spec={"checks": _joint(energyDistance={"reduce": {"sentenceEmbeddings": {"columns": ["a", "a"]}}})}),
    _bad(D, "two reductions", spec={"checks": _joint(energyDistance={"reduce": {"pca": {}, "randomProjection": {}}})}, says="set exactly one of: pca"),
    _bad(D, "components and variance", spec={"checks": _joint(pcaReconstruction={"components": 2, "variance": 0.5})}, says="set at most one of: components"),
    _bad(D, "no bandwidths", spec={"checks": _joint(maximumMeanDiscrepancy={"bandwidths": []})}),
    _bad(D, "a single span", spec={"checks": _joint(domainClassifier={}, spans=1)}),
    _bad(D, "a test that does not exist", spec={"checks": [{"name": "a", "univariateTest": {"numeric": "Students"}}]}),
    _bad(D, "an alpha of zero", spec={"checks": [{"name": "a", "univariateTest": {"alpha": 0}}]}),
    _good(D, "a large alpha", spec={"checks": [{"name": "a", "univariateTest": {"alpha": 0.5}}]}),
    _bad(D, "a threshold of zero", spec={"checks": [{"name": "a", "univariateDistance": {"threshold": 0}}]}),
    _good(D, "bounds learned by every check that can", spec={"checks": [{"name": c.lower(), c: {"learned": {"sigma": 3}}} for c in ("univariateTest", "univariateDistance", "prediction")] + [{"name": "joint", "multivariateTest": {"energyDistance": {}, "learned": {"quantile": 0.95}}}]}),
    _bad(D, "a threshold both stated and learned", spec={"checks": [{"name": "a", "univariateDistance": {"threshold": 0.1, "learned": {"sigma": 3}}}]}, says="at most one of: threshold"),
    _bad(D, "a threshold of answers both stated and learned", spec={"checks": [{"name": "a", "prediction": {"threshold": 0.1, "learned": {"sigma": 3}}}]}, says="at most one of: threshold"),
    _bad(D, "bounds learned by no rule", spec={"checks": [{"name": "a", "prediction": {"learned": {}}}]}, says="set exactly one of: sigma"),
    _bad(D, "bounds learned by two rules", spec={"checks": [{"name": "a", "prediction": {"learned": {"sigma": 3, "quantile": 0.9}}}]}, says="set exactly one of: sigma"),
    _bad(D, "a quantile that nothing exceeds", spec={"checks": [{"name": "a", "prediction": {"learned": {"quantile": 1}}}]}),
    _bad(D, "too many checks", spec={"checks": [{"name": f"c{i}", "prediction": {}} for i in range(17)]}),
    _good(D, "one of one", spec={"alerting.raiseAfter": {"breaches": 1, "of": 1}}),
    _good(D, "all of the default window", spec={"alerting.raiseAfter": {"breaches": 3}}),
    _bad(D, "more breaches than windows", spec={"alerting.raiseAfter": {"breaches": 3, "of": 2}}, says="breaches must not exceed of"),
    _bad(D, "more breaches than the default has windows", spec={"alerting.raiseAfter": {"breaches": 4}}, says="must not exceed"),
    _bad(D, "a severity that does not exist", spec={"alerting.severity": "Panic"}),
    _bad(D, "a reference to a name that cannot be", spec={"modelDeploymentRef.name": "Flights"}),
]  # fmt: skip

RETRAIN_POLICIES = [
    _good(R, "the smallest policy"),
    _bad(R, "no level", spec={"level": {}}, says="set exactly one of: manual, scheduled, stateful, continual"),
    _bad(R, "two levels", spec={"level": {"manual": {}, **_continual(AGE)}}, says="set exactly one of: manual"),
    _good(R, "continual by age", spec={"level": _continual(AGE)}),
    _bad(R, "continual without triggers", spec={"level": _continual()}),
    _good(R, "continual by drift", spec={"level": _continual({"name": "d", "drift": {"driftMonitorRef": {"name": "m"}, "checks": ["c"]}})}),
    _bad(R, "a trigger on the same check twice", spec={"level": _continual({"name": "d", "drift": {"driftMonitorRef": {"name": "m"}, "checks": ["c", "c"]}})}),
    _bad(R, "a trigger of nothing", spec={"level": _continual({"name": "d"})}, says="set exactly one of: drift"),
    _bad(R, "a trigger of two things", spec={"level": _continual({**AGE, "volume": {"newLabelledRows": 1}})}, says="exactly one"),
    _bad(R, "two triggers of one name", spec={"level": _continual(AGE, AGE)}),
    _good(R, "continual by quality", spec={"level": _continual({"name": "q", "performance": {"driftMonitorRef": {"name": "m"}, "check": "quality"}})}),
    _bad(R, "a quality of nothing", spec={"level": _continual({"name": "q", "performance": {"driftMonitorRef": {"name": "m"}}})}),
    _bad(R, "a volume of nothing", spec={"level": _continual({"name": "v", "volume": {"newLabelledRows": 0}})}),
    _good(R, "a table to train on", spec={"data": {"dataset": {"uri": "/t", "labelColumn": "y"}}}),
    _bad(R, "a table without labels", spec={"data": {"dataset": {"uri": "/t"}}}, says="dataset needs a labelColumn"),
    _bad(R, "no data", spec={"data": {}}, says="set exactly one of: window, dataset"),
    _bad(R, "no trainer", spec={"trainer": {}}, says="set exactly one of: builtin, entrypoint"),
    _bad(R, "two trainers", spec={"trainer.entrypoint": "a.b:c"}, says="set exactly one of: builtin, entrypoint"),
    _bad(R, "two built-in trainers", spec={"trainer.builtin.partialFit": {}}, says="set exactly one of: refit"),
    _good(R, "an entrypoint with packages", spec={"trainer": {"entrypoint": "a.b:c", "packages": ["a==1"]}}),
    _good(R, "packages as pip takes them", spec={"trainer": {"entrypoint": "a.b:c", "packages": ['a[x]>=1,<2; python_version < "3.12"', "b @ git+https://h/b"]}}),
    _bad(R, "a package that a shell would run", spec={"trainer": {"entrypoint": "a.b:c", "packages": ["$(reboot)"]}}),
    _bad(R, "a package in backticks", spec={"trainer": {"entrypoint": "a.b:c", "packages": ["`reboot`"]}}),
    _bad(R, "packages without an entrypoint", spec={"trainer.packages": ["a==1"]}, says="packages belong to an entrypoint"),
    _bad(R, "an entrypoint without a function", spec={"trainer": {"entrypoint": "a.b"}}),
    _bad(R, "an entrypoint in other letters", spec={"trainer": {"entrypoint": "modül:train"}}),
    _bad(R, "refit with a warm start", spec={"trainer.warmStart": "Champion", "level": _continual(AGE)}, says="refit starts from scratch"),
    _good(R, "partialFit from the champion", spec={"level": _continual(AGE), "trainer": {"builtin": {"partialFit": {}}, "warmStart": "Champion"}}),
    _bad(R, "partialFit from nothing", spec={"level": _continual(AGE), "trainer": {"builtin": {"partialFit": {}}}}, says="partialFit goes on"),
    _bad(R, "a warm start by hand", spec={"trainer": {"entrypoint": "a:b", "warmStart": "LastRun"}}, says="the levels manual and scheduled"),
    _good(R, "from scratch every night", spec={"level": {"scheduled": {"cron": "0 3 * * *"}}}),
    _bad(R, "a schedule of nothing", spec={"level": {"scheduled": {}}}, says="set exactly one of: every, cron"),
    _bad(R, "a warm start by schedule alone", spec={"level": {"scheduled": {"every": "1d"}}, "trainer": PARTIAL}, says="the levels manual and scheduled"),
    _good(R, "going on every night", spec={"level": {"stateful": {"every": "1d"}}, "trainer": PARTIAL}),
    _bad(R, "stateful from scratch", spec={"level": {"stateful": {"every": "1d"}}}, says="a stateful level goes on from a model"),
    _bad(R, "two schedules at once", spec={"level": {"scheduled": {"every": "1d"}, "stateful": {"every": "1d"}}}, says="set exactly one of: manual"),
    _good(R, "replay", spec={"level": {"stateful": {"every": "1d"}}, "trainer": PARTIAL, "data.replay": {"fraction": 0.2}}),
    _good(R, "replay of drift", spec={"level": _continual(AGE), "trainer": PARTIAL, "data.replay": {"fraction": 0.9}}),
    _bad(R, "replay from scratch", spec={"data.replay": {"fraction": 0.2}}, says="replay belongs to a warm start"),
    _bad(R, "replay of nothing", spec={"level": _continual(AGE), "trainer": PARTIAL, "data.replay": {"fraction": 0}}),
    _bad(R, "nothing but replay", spec={"level": _continual(AGE), "trainer": PARTIAL, "data.replay": {"fraction": 1}}),
    _good(R, "a warm start from a table with times", spec={"level": _continual(AGE), "trainer": PARTIAL, "data": {"dataset": {"uri": "/t", "labelColumn": "y", "timestampColumn": "at"}}}),
    _bad(R, "a warm start from a table without times", spec={"level": _continual(AGE), "trainer": PARTIAL, "data": {"dataset": {"uri": "/t", "labelColumn": "y"}}}, says="data.dataset needs a timestampColumn"),
    _bad(R, "a trigger called manual", spec={"level": _continual({**AGE, "name": "manual"})}, says="names of Leeboard's own"),
    _bad(R, "a trigger called schedule", spec={"level": _continual({**AGE, "name": "schedule"})}, says="names of Leeboard's own"),
    _good(R, "a warm start that goes on", spec={"level": _continual(AGE), "trainer": {"entrypoint": "a:b", "warmStart": "LastRun"}}),
    _bad(R, "a parameter that is a number", spec={"trainer.parameters": {"depth": 3}}),
    _good(R, "a parameter in words", spec={"trainer.parameters": {"depth": "3"}}),
    _bad(R, "no gates", spec={GATES: []}),
    _bad(R, "a gate of nothing", spec={GATES: [{"name": "g", "metric": "f1"}]}, says="set exactly one of: min"),
    _bad(R, "a gate of two things", spec={GATES: [{"name": "g", "metric": "f1", "min": 0, "minGainOverChampion": 0}]}, says="exactly one"),
    _bad(R, "two gates of one name", spec={GATES: [{"name": "g", "metric": "f1", "min": 0}, {"name": "g", "metric": "r2", "min": 0}]}),
    _bad(R, "a metric in capitals", spec={GATES: [{"name": "g", "metric": "F1", "min": 0}]}),
    _bad(R, "a drop below nothing", spec={GATES: [{"name": "g", "metric": "f1", "maxDropFromChampion": -0.1}]}),
    _bad(R, "a bound beyond all measure", spec={GATES: [{"name": "g", "metric": "f1", "min": 1e16}]}),
    _good(R, "a gate on a slice", spec={GATES: [{**AUC, "slice": "hour < 12", "minRows": 100}]}),
    _good(R, "a gate on a slice that cannot be read, which only the policy tells", spec={GATES: [{**AUC, "slice": "hour <"}]}),
    _bad(R, "a gate on an empty slice", spec={GATES: [{**AUC, "slice": ""}]}),
    _bad(R, "a gate on a slice that is too long", spec={GATES: [{**AUC, "slice": "x" * 513}]}),
    _good(R, "a gate against forgetting", spec={GATES: [{**AUC, "dataset": {"uri": "/t", "labelColumn": "y"}}]}),
    _bad(R, "a gate on a table without labels", spec={GATES: [{**AUC, "dataset": {"uri": "/t"}}]}, says="dataset needs a labelColumn to compare on"),
    _bad(R, "least rows of the holdout in a gate", spec={GATES: [{**AUC, "minRows": 100}]}, says="minRows belongs to a slice or a dataset"),
    _bad(R, "a gate on nine rows", spec={GATES: [{**AUC, "slice": "hour < 12", "minRows": 9}]}),
    _bad(R, "everything held out", spec={"evaluation.holdout": {"fraction": 1}}),
    _bad(R, "a backtest of no folds", spec={"evaluation.backtest": {"folds": 0}}),
    _good(R, "a backtest", spec={"evaluation.backtest": {}}),
    _bad(R, "a budget of nothing", spec={"budget.maxRunsPerDay": 0}),
    _bad(R, "a field that nobody knows", spec={"trainer.builtin.refit.depth": 3}),
]  # fmt: skip

CASES = [*MODEL_DEPLOYMENTS, *DRIFT_MONITORS, *RETRAIN_POLICIES]
GOOD = [case for case in CASES if case.good]
