"""What Leeboard asks KServe for: one InferenceService per arm, one ServingRuntime per version and image. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from leeboard.api import modeldeployment
from leeboard.api.errors import SpecError
from leeboard.api.modeldeployment import ModelDeployment
from leeboard.api.serving import Replicas
from leeboard.api.shared import ResourceRequirements
from leeboard.contract import serving
from leeboard.control import children, names
from leeboard.control.kinds import MANAGED_BY_LABEL, MANAGER
from leeboard.modeldeployment import actions
from leeboard.settings import Settings

OWN_RUNTIME = "leeboard-mlflow"
"""How a manifest names the runtime that comes with Leeboard."""

FETCHED_SCHEMES = ("mlflow-artifacts", "models", "runs")
"""Fetched by Leeboard's own storage container."""
KSERVE_SCHEMES = (
    *("gs", "s3", "hdfs", "webhdfs", "hf", "modelscope", "pvc", "oci", "https", "http"),
    *("wasbs", "abfss", "dbfs"),
)
"""Read by KServe's storage initializer, where it is set up for them."""

TOKEN_SECRET = "leeboard-collector"  # noqa: S105 (a name)
"""Secret in the namespace of an arm with the token that the collector asks of it; the chart makes it."""

_PORT = 8080
_HARDENED = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
_HARDENED_POD = {
    "automountServiceAccountToken": False,
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
}
_SCRATCH = {"volumes": [{"name": "tmp", "emptyDir": {}}]}
_SCRATCH_MOUNT = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 (a volume of the pod's own)
# A pod under load is slow and not gone; one that goes answers until the gateway and the proxies have heard of it.
_PROBED_AND_DRAINED = {
    "readinessProbe": {
        "httpGet": {"path": "/v2/health/ready", "port": _PORT},
        "periodSeconds": 5,
        "timeoutSeconds": 5,
        "failureThreshold": 6,
    },
    "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
}
_GRACE = {"terminationGracePeriodSeconds": 60}
_TRANSFORMER_RESOURCES = {
    "requests": {"cpu": "100m", "memory": "256Mi"},
    "limits": {"cpu": "1", "memory": "1Gi"},
}
_PREDICTOR_RESOURCES = {
    "requests": {"cpu": "250m", "memory": "512Mi"},
    "limits": {"cpu": "1", "memory": "2Gi"},
}


def arm_name(subject: ModelDeployment, version: str) -> str:
    """Name the arm of a version as the spec now wants it: whatever changes answers changes the name.

    The range of replicas changes no answer, and the images of Leeboard change with Leeboard: neither is in the hash. A
    person who wants the present images gives another token.

    Raises:
        SpecError: the namespace leaves no room for the name.
    """
    spec = subject.spec
    template = spec.serving.model_copy(update={"replicas": Replicas()}).document()
    detector = spec.out_of_distribution.document() if spec.out_of_distribution else None
    metadata = subject.metadata
    parts = (spec.model.name, template, detector, spec.logging.document(), *actions.restart_token(subject))
    return names.arm(metadata.namespace, metadata.name, version, *parts)


def runtime_name(leeboard_version: str, settings: Settings) -> str:
    """Name the ServingRuntime that comes with a version of Leeboard and a serving image."""
    return names.runtime(leeboard_version, settings.serving_image, settings.pull_policy)


def replica_range(subject: ModelDeployment) -> tuple[int, int]:
    """Return the least and the most pods of an arm."""
    replicas = subject.spec.serving.replicas
    return replicas.min, replicas.max or replicas.min


def check_storage(uri: str) -> None:
    """Refuse model files that nothing can fetch.

    Raises:
        SpecError: the scheme is unknown.
    """
    scheme = uri.split(":", 1)[0].lower()
    if scheme not in {*FETCHED_SCHEMES, *KSERVE_SCHEMES}:
        raise SpecError(
            f"the model's files lie at {uri}, which neither KServe nor Leeboard can fetch: let MLflow serve its "
            "artifacts (--serve-artifacts), or keep them in an object store",
            "UnsupportedModelUri",
        )


def inference_service(
    subject: ModelDeployment, version: str, *, uri: str, detector_uri: str | None, settings: Settings, runtime: str
) -> dict[str, Any]:
    """Return the InferenceService of a version.

    Args:
        subject: The ModelDeployment.
        version: Version of the registered model.
        uri: Where its files are fetched from.
        detector_uri: The detector that it carries; None: nothing is scored.
        settings: The operator's settings.
        runtime: Name of Leeboard's ServingRuntime, used unless the spec names another.
    """
    metadata = subject.metadata
    name = arm_name(subject, version)
    minimum, maximum = replica_range(subject)
    replicas = {"minReplicas": minimum, "maxReplicas": maximum}
    head = children.metadata(
        name,
        modeldeployment.KIND,
        metadata,
        children.labels(metadata.name, {children.LABEL_VERSION: version})
        | {"networking.kserve.io/visibility": "cluster-local"},
    )
    # Always an autoscaler, be its range a single number: a wider range later must not touch the annotations,
    # for KServe restarts all pods when they change.
    head["annotations"] = {
        "serving.kserve.io/deploymentMode": "Standard",
        "serving.kserve.io/autoscalerClass": "hpa",
    }
    more = subject.spec.serving.predictor or {}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": head,
        "spec": {
            "predictor": _HARDENED_POD
            | _GRACE
            | settings.pulling
            | more
            | replicas
            | {"model": _model(subject, uri, runtime, settings)},
            "transformer": _HARDENED_POD
            | _GRACE
            | settings.pulling
            | replicas
            | _SCRATCH
            | {"containers": [_transformer(subject, version, name, detector_uri, settings)]},
        },
    }


def _model(subject: ModelDeployment, uri: str, runtime: str, settings: Settings) -> dict[str, Any]:
    wanted = subject.spec.serving
    model: dict[str, Any] = {
        "modelFormat": wanted.model_format.document(),
        "runtime": runtime if wanted.runtime == OWN_RUNTIME else wanted.runtime,
        "protocolVersion": wanted.protocol_version.value,
        "storageUri": uri,
    }
    if wanted.runtime == OWN_RUNTIME:
        model["args"] = [f"--model_name={subject.metadata.name}"]
    if wanted.resources != ResourceRequirements():
        model["resources"] = wanted.resources.document()
    if settings.passed_environment:
        model["env"] = _variables(settings.passed_environment)
    return model | _env_from(subject)


def _variables(environment: Mapping[str, str]) -> list[dict[str, str]]:
    """Return variables that say just this: the kubelet reads `$(NAME)` as a reference and `$$` as `$`."""
    return [{"name": name, "value": value.replace("$", "$$")} for name, value in sorted(environment.items())]


def _env_from(subject: ModelDeployment) -> dict[str, Any]:
    secret = subject.spec.serving.env_from_secret
    return {"envFrom": [{"secretRef": {"name": secret.name}}]} if secret else {}


def _transformer(
    subject: ModelDeployment, version: str, arm: str, detector_uri: str | None, settings: Settings
) -> dict[str, Any]:
    public = subject.metadata.name
    protocol = subject.spec.serving.protocol_version.value
    environment = {
        **settings.passed_environment,
        serving.ENV_NAMESPACE: subject.metadata.namespace,
        serving.ENV_MODEL_DEPLOYMENT: public,
        serving.ENV_VERSION: version,
        serving.ENV_ARM: arm,
        serving.ENV_PROTOCOL: protocol,
        serving.ENV_SAMPLE_PERCENT: str(subject.spec.logging.sample_percent),
        serving.ENV_TRACKING_URI: settings.tracking_uri,
    }
    if subject.spec.serving.runtime != OWN_RUNTIME:
        environment[serving.ENV_PREDICTOR_MODEL] = arm  # KServe names the model of other runtimes after the service
    if settings.collector_url:
        environment[serving.ENV_COLLECTOR_URL] = settings.collector_url
    if detector_uri and subject.spec.out_of_distribution:
        environment[serving.ENV_DETECTOR_URI] = detector_uri
        environment[serving.ENV_ON_DETECTION] = subject.spec.out_of_distribution.on_detection.value
    return {
        "name": "kserve-container",
        "image": settings.serving_image,
        **settings.pulled,
        "command": ["leeboard-transformer"],
        "args": [f"--model_name={public}", f"--http_port={_PORT}", f"--predictor_protocol={protocol}"],
        "env": _variables(environment) + _collector_token(settings) + _logged_columns(subject),
        "ports": [{"containerPort": _PORT, "name": "http1", "protocol": "TCP"}],
        **_PROBED_AND_DRAINED,
        "resources": _TRANSFORMER_RESOURCES,
        "securityContext": _HARDENED,
        "volumeMounts": _SCRATCH_MOUNT,
    } | _env_from(subject)


def _collector_token(settings: Settings) -> list[dict[str, Any]]:
    """Return the token of the arm's namespace, where whoever set the collector up has put one."""
    if settings.collector_url is None:
        return []
    token = {"name": TOKEN_SECRET, "key": "token", "optional": True}
    return [{"name": serving.ENV_COLLECTOR_TOKEN, "valueFrom": {"secretKeyRef": token}}]


def _logged_columns(subject: ModelDeployment) -> list[dict[str, Any]]:
    columns = subject.spec.logging.columns
    if columns is None:
        return []
    changed = serving.ChangedColumns(drop=columns.drop, hash=columns.hash, round=columns.round)
    told = {serving.ENV_LOG_COLUMNS: json.dumps(changed.document(), sort_keys=True)}
    variables: list[dict[str, Any]] = [*_variables(told)]
    if columns.hash and columns.hash_key_ref is not None:
        key = {"secretKeyRef": columns.hash_key_ref.document()}
        variables.append({"name": serving.ENV_HASH_KEY, "valueFrom": key})
    return variables


def serving_runtime(namespace: str, name: str, settings: Settings) -> dict[str, Any]:
    """Return Leeboard's ServingRuntime: nobody's child, since all arms of the namespace share it, and never edited.

    Args:
        namespace: Where it is needed.
        name: From `runtime_name`.
        settings: The operator's settings.
    """
    return {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "ServingRuntime",
        "metadata": {"name": name, "namespace": namespace, "labels": {MANAGED_BY_LABEL: MANAGER}},
        "spec": {
            "annotations": {"prometheus.kserve.io/port": str(_PORT), "prometheus.kserve.io/path": "/metrics"},
            "supportedModelFormats": [{"name": "mlflow", "autoSelect": False}],
            "protocolVersions": ["v1", "v2"],
            "containers": [
                {
                    "name": "kserve-container",
                    "image": settings.serving_image,
                    **settings.pulled,
                    "command": ["leeboard-predictor"],
                    "args": ["--model_dir=/mnt/models", f"--http_port={_PORT}"],
                    "ports": [{"containerPort": _PORT, "name": "http1", "protocol": "TCP"}],
                    **_PROBED_AND_DRAINED,
                    "resources": _PREDICTOR_RESOURCES,
                    "securityContext": _HARDENED,
                    "volumeMounts": _SCRATCH_MOUNT,
                }
            ],
            **_SCRATCH,
        },
    }
