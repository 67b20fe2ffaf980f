"""What the operator is told by its environment: one variable `LEEBOARD_<FIELD>` for each field."""

import os
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

PREFIX = "LEEBOARD_"


def _words(value: Any) -> Any:
    """Read `a, b` as a list."""
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def _pairs(value: Any) -> Any:
    """Read `a=b, c=d` as a mapping."""
    words = _words(value)
    if not isinstance(words, list):
        return words
    if wrong := [word for word in words if "=" not in word]:
        raise ValueError(f"{wrong[0]!r} is no name=value")
    return dict(word.split("=", 1) for word in words)


def _prefixes(value: Any) -> Any:
    """Read `team-a=fraud-|risk-, team-b=flights` as lists of prefixes by namespace."""
    pairs = _pairs(value)
    if not isinstance(pairs, dict):
        return pairs
    return {
        name: [prefix for prefix in text.split("|") if prefix] if isinstance(text, str) else text
        for name, text in pairs.items()
    }


Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
Pairs = Annotated[dict[str, str], BeforeValidator(_pairs)]
Prefixes = Annotated[dict[str, tuple[str, ...]], BeforeValidator(_prefixes)]


def _read_by_a_shell(values: dict[str, str]) -> dict[str, str]:
    """Refuse what a shell would not leave as it is: KubeRay hands a job its environment between double quotes."""
    if wrong := [name for name, value in values.items() if {"$", "`"} & {*value}]:
        raise ValueError(f"{wrong[0]} holds $ or `, which a shell on a job's way would run")
    return values


Url = Annotated[str, Field(pattern=r"^https?://[^\s$`]+$")]
Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(BaseModel):
    """The operator's settings; each field is the environment variable `LEEBOARD_<FIELD>`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    tracking_uri: Url = "http://mlflow.mlflow.svc.cluster.local:5000"
    """MLflow's tracking server and registry, as operator, arms and jobs reach it."""
    prometheus_url: Url = "http://prometheus.monitoring.svc.cluster.local:9090"
    """Prometheus, which scrapes the arms."""
    collector_url: Url | None = None
    """Leeboard's collector; unset: predictions are not logged."""
    cluster: str = "default"
    """Name of this cluster: aliases in a shared registry are owned by cluster, namespace and name."""
    namespaces: Words = ()
    """Namespaces to watch; empty: all of them."""
    model_prefixes: Prefixes = {}
    """Which registered models a namespace may name: `namespace=prefix|prefix, …`; a namespace not listed: any; one with
    an empty list: none."""
    gateway_name: str = "leeboard"
    """Gateway of routes that name none."""
    gateway_namespace: str = "leeboard-system"
    """Its namespace."""
    domain: str = "models.local"
    """Domain of host names that are left out: `<name>.<namespace>.<domain>`."""
    serving_image: str = "ghcr.io/leeboard/serving:0.1.0"
    """Image of predictor and transformer."""
    worker_image: str = "ghcr.io/leeboard/worker:0.1.0"
    """Image of jobs that name none."""
    pull_policy: Annotated[str, Field(pattern="^(Always|IfNotPresent|Never)$")] | None = None
    """When these two images are pulled: Always, IfNotPresent or Never; unset: as Kubernetes decides by the tag."""
    pull_secrets: Words = ()
    """Names of the Secrets, in each namespace with models, by which arms and jobs pull images."""
    ray_version: str = "2.60.0"
    """Version of Ray in the worker image; KubeRay chooses its probes by it."""
    cluster_selector: Pairs = {}
    """Labels of the standing RayCluster for jobs that name no cluster (`ray.io/cluster=pool`); empty: one per job."""
    passed_environment: Annotated[dict[str, str], AfterValidator(_read_by_a_shell)] = {}
    """Environment variables that arms and jobs get too, such as MLFLOW_S3_ENDPOINT_URL. In the environment this is
    the list of their names, and the values are this process's own. No secrets: those come by `envFromSecret`."""
    registry_poll_seconds: Annotated[float, Field(ge=1, le=3600)] = 30
    """How old a listing of the registry may be."""
    relist_seconds: Annotated[float, Field(ge=5, le=3600)] = 300
    """How often all objects are listed again and compared with what the watches brought."""
    service_timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 10
    """Longest wait for an answer of MLflow, Prometheus, the collector or an arm."""
    max_passes: Annotated[int, Field(ge=1, le=64)] = 8
    """How many passes run at once."""
    max_jobs_at_once: Annotated[int, Field(ge=1, le=1000)] = 20
    """How many of Leeboard's RayJobs run at once; more wait for their turn."""
    kept_runs: Annotated[int, Field(ge=10, le=100_000)] = 500
    """How many MLflow runs of a DriftMonitor are kept, the newest; those of episodes stay in any case."""
    metrics_port: Port = 9100
    """Port of Prometheus metrics."""
    health_port: Port = 8080
    """Port of the health probe `/healthz`."""
    log_level: Annotated[str, Field(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the settings from environment variables; empty ones count as unset.

        Raises:
            ValueError: a variable cannot be read; the message names it and says what is wrong.
        """
        environment = os.environ if environment is None else environment
        values: dict[str, Any] = {
            name: environment[variable]
            for name in cls.model_fields
            if environment.get(variable := f"{PREFIX}{name.upper()}")
        }
        if "passed_environment" in values:
            names = [name for name in _words(values["passed_environment"]) if name in environment]
            values["passed_environment"] = {name: environment[name] for name in names}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            wrong = "; ".join(f"{PREFIX}{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors())
            raise ValueError(f"settings in the environment are wrong: {wrong}") from None

    @property
    def pulled(self) -> dict[str, str]:
        """What a container with one of Leeboard's images says of pulling it."""
        return {"imagePullPolicy": self.pull_policy} if self.pull_policy else {}

    @property
    def pulling(self) -> dict[str, list[dict[str, str]]]:
        """What a pod says of pulling its images."""
        return {"imagePullSecrets": [{"name": name} for name in self.pull_secrets]} if self.pull_secrets else {}

    def may_serve(self, namespace: str, model: str) -> bool:
        """Say whether objects of a namespace may name a registered model."""
        prefixes = self.model_prefixes.get(namespace)
        return prefixes is None or any(model.startswith(prefix) for prefix in prefixes)
