"""The kinds that the operator reads and writes: group, version and path of each."""

from dataclasses import dataclass

from leeboard.api import GROUP, VERSION, driftmonitor, modeldeployment, retrainpolicy


@dataclass(frozen=True)
class Kind:
    """A kind of the Kubernetes API."""

    name: str
    group: str
    version: str
    plural: str
    provider: str = ""
    """What to install when the API server does not know it; empty: part of Kubernetes or of Leeboard."""
    selector: str = ""
    """Label selector that the objects of interest pass; empty: all of them."""
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """The manifest's `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """Return the REST path of all objects, of one namespace's, or of one."""
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"
        inside = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        return f"{root}{inside}/{self.plural}" + (f"/{name}" if name else "")


MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGER = "leeboard"
"""Field manager, and value of the managed-by label."""
ARM_LABEL = "serving.kserve.io/inferenceservice"
"""KServe's label on the Deployments and pods of an arm."""
_OURS = f"{MANAGED_BY_LABEL}={MANAGER}"
_KSERVE = "KServe (Standard mode), version 0.17 or newer"
_KUBERAY = "KubeRay, version 1.6 or newer"
_GATEWAY = "the Gateway API, version 1.4 or newer"

OWN_KINDS = (
    Kind(modeldeployment.KIND, GROUP, VERSION, modeldeployment.PLURAL),
    Kind(driftmonitor.KIND, GROUP, VERSION, driftmonitor.PLURAL),
    Kind(retrainpolicy.KIND, GROUP, VERSION, retrainpolicy.PLURAL),
)
"""The kinds that Leeboard defines."""

CHILD_KINDS = (
    Kind("InferenceService", "serving.kserve.io", "v1beta1", "inferenceservices", _KSERVE, _OURS),
    Kind("ServingRuntime", "serving.kserve.io", "v1alpha1", "servingruntimes", _KSERVE, _OURS),
    Kind("HTTPRoute", "gateway.networking.k8s.io", "v1", "httproutes", _GATEWAY, _OURS),
    Kind("RayJob", "ray.io", "v1", "rayjobs", _KUBERAY, _OURS),
    Kind("Deployment", "apps", "v1", "deployments", selector=ARM_LABEL),
)
"""The kinds of children, and of what their controllers make of them."""

OTHER_KINDS = (
    Kind("Pod", "", "v1", "pods"),
    Kind("Event", "events.k8s.io", "v1", "events"),
    Kind("CustomResourceDefinition", "apiextensions.k8s.io", "v1", "customresourcedefinitions", namespaced=False),
)
"""Kinds that are written or looked up, but not watched."""

KINDS = {kind.name: kind for kind in (*OWN_KINDS, *CHILD_KINDS, *OTHER_KINDS)}
WATCHED = (*OWN_KINDS, *CHILD_KINDS)
