"""What must be known of a cluster, from the environment."""

import os
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path

_PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]


@dataclass(frozen=True)
class Settings:
    """Names in capital letters are variables of `make e2e`."""

    context: str = os.environ.get("CONTEXT", "")
    """Context of the kubeconfig; empty: its current one."""
    registry: str = os.environ.get("REGISTRY", "ghcr.io/leeboard")
    """Where the images of `make images` are; the node may have them already."""
    tag: str = os.environ.get("TAG", _PROJECT["version"])
    prometheus_image: str = os.environ.get("PROMETHEUS_IMAGE", "quay.io/prometheus/prometheus:v3.16.0")
    object_store_image: str = os.environ.get("OBJECT_STORE_IMAGE", "docker.io/versity/versitygw:v1.8.0")
    gateway_class: str = os.environ.get("GATEWAY_CLASS", "envoy")
    """A class of Envoy Gateway; it is made if it is not there."""
    gateway_url: str = os.environ.get("GATEWAY_URL", "")
    """Address that leads to the gateway; empty: the address in its status."""
    node_folder: str = os.environ.get("NODE_FOLDER", "/var/lib/leeboard-e2e")
    """Folder of the one node in which volumes lie."""
    kserve: tuple[str, str] = ("kserve-controller-manager", "kserve")
    kuberay: tuple[str, str] = ("kuberay-operator", os.environ.get("KUBERAY_NAMESPACE", "kuberay"))
    gateway_controller: tuple[str, str] = ("envoy-gateway", "envoy-gateway-system")
    """Deployments of the neighbours' controllers, each with its namespace."""
    bad_days: str = os.environ.get("BAD_DAYS", "")
    """Names of bad days to play alone on what a run has left, separated by commas; empty: the story and all."""
    ray_version: str = "2.60.0"

    def words(self) -> dict[str, str]:
        """What the manifests call $NAME."""
        return {name.upper(): value for name, value in asdict(self).items()}
