"""Names of all children: deterministic, within the limits of KServe and KubeRay; the hash is never cut."""

import re

from leeboard.api.errors import SpecError
from leeboard.contract.documents import short_hash

MAX_ARM = 46
"""`app=isvc.<arm>-transformer` is a label value of at most 63 characters."""
MAX_ARM_AND_NAMESPACE = 50
"""KServe checks the host `<arm>-transformer-<namespace>` as one label of at most 63 characters."""
MAX_RAY_JOB = 47
"""KubeRay's limit."""
MAX_LABEL_VALUE = 63

_ARM_HASH = 6
_JOB_HASH = 10


def arm(namespace: str, model_deployment: str, version: str, *identity: object) -> str:
    """Name the InferenceService of a version: `<mdep>-v<version>-<hash>`.

    Args:
        namespace: Namespace of the ModelDeployment.
        model_deployment: Its name.
        version: Version of the registered model.
        identity: Whatever changes the arm's answers, as JSON-like parts; hashed together with the name and version.

    Raises:
        SpecError: the namespace's name is so long that KServe could bear no arm in it.
    """
    suffix = f"-v{version}-{short_hash(model_deployment, version, *identity, length=_ARM_HASH)}"
    room = min(MAX_ARM, MAX_ARM_AND_NAMESPACE - len(namespace))
    if room - len(suffix) < 1:
        raise SpecError(
            f"the namespace {namespace} leaves no room for the name of an arm: KServe allows "
            f"{MAX_ARM_AND_NAMESPACE} characters for both together; use a namespace of at most "
            f"{MAX_ARM_AND_NAMESPACE - len(suffix) - 1} characters",
            reason="NamespaceTooLong",
        )
    return _shorten(model_deployment, suffix, room)


def ray_job(owner: str, purpose: str, *identity: object) -> str:
    """Name a RayJob: `<owner>-<fit|verify|compare|drift|retrain>-<hash>`.

    Args:
        owner: Name of the object that asks.
        purpose: fit, verify, compare, drift or retrain.
        identity: Whatever makes it another job (request hash, attempt, …), as JSON-like parts.
    """
    return _shorten(owner, f"-{purpose}-{short_hash(owner, purpose, *identity, length=_JOB_HASH)}", MAX_RAY_JOB)


def route(model_deployment: str) -> str:
    """Name the HTTPRoute of a ModelDeployment."""
    return model_deployment


def runtime(leeboard_version: str, *identity: object) -> str:
    """Name Leeboard's ServingRuntime: `leeboard-mlflow-<version>-<hash>`; editing one in use would restart every arm.

    Args:
        leeboard_version: Version of Leeboard.
        identity: Whatever else changes what the runtime says, such as its image, as JSON-like parts.
    """
    version = re.sub(r"[^a-z0-9]+", "-", leeboard_version.lower()).strip("-")
    return f"leeboard-mlflow-{version}-{short_hash(*identity, length=_ARM_HASH)}"


def transformer_host(arm_name: str, namespace: str) -> str:
    """Name the host at which an arm answers inside the cluster."""
    return f"{arm_name}-transformer.{namespace}.svc.cluster.local"


def label_value(text: str) -> str:
    """Return the text as a label value: cut with a hash when it is longer than 63 characters."""
    if len(text) <= MAX_LABEL_VALUE:
        return text
    return f"{text[: MAX_LABEL_VALUE - 7].rstrip('-._')}-{short_hash(text, length=6)}"


def _shorten(stem: str, suffix: str, limit: int) -> str:
    """Cut the stem so that it fits with the suffix, and make it begin with a letter, as DNS-1035 wants."""
    if not stem[0].isalpha():
        stem = f"m{stem}"
    return stem[: limit - len(suffix)].rstrip("-") + suffix
