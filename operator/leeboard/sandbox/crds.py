"""The neighbours' CRDs (KServe, KubeRay, Gateway API), as their projects publish them in pinned Go modules.

They are read once, and kept as JSON in `~/.cache/leeboard/crds/<module>@<version>/`, since the largest is 2 MB of YAML.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from leeboard.sandbox.programs import PartMissing, Say, cache, go, only_one, quiet

Crd = dict[str, Any]


@dataclass(frozen=True)
class Neighbour:
    """One project's CRDs: a Go module, the sum of its content, and the files in one of its folders."""

    module: str
    version: str
    checksum: str
    folder: str
    files: tuple[str, ...]

    @property
    def cached(self) -> list[Path]:
        """Where the CRDs are kept as JSON."""
        folder = cache() / "crds" / f"{self.module.replace('/', '_')}@{self.version}"
        return [folder / f"{Path(file).stem}.json" for file in self.files]


KSERVE = Neighbour(
    "github.com/kserve/kserve",
    "v0.20.0",
    "h1:Bs7HxmGV4KFqqptDcWseKv+mwD4YOYHJWcuVgPG2Gug=",
    "config/crd/full",
    (
        "serving.kserve.io_inferenceservices.yaml",
        "serving.kserve.io_servingruntimes.yaml",
        "serving.kserve.io_clusterservingruntimes.yaml",
        "clusterstoragecontainer/serving.kserve.io_clusterstoragecontainers.yaml",
    ),
)
KUBERAY = Neighbour(
    "github.com/ray-project/kuberay/ray-operator",
    "v1.6.1",
    "h1:IMtV0QW8AxGp4/CbPLd/olXBBxpUNQQr1n4Mu59khl4=",
    "config/crd/bases",
    ("ray.io_rayjobs.yaml", "ray.io_rayclusters.yaml"),
)
GATEWAY_API = Neighbour(
    "sigs.k8s.io/gateway-api",
    "v1.5.1",
    "h1:RqVRIlkhLhUO8wOHKTLnTJA6o/1un4po4/6M1nRzdd0=",
    "config/crd/standard",
    (
        "gateway.networking.k8s.io_gatewayclasses.yaml",
        "gateway.networking.k8s.io_gateways.yaml",
        "gateway.networking.k8s.io_httproutes.yaml",
    ),
)
NEIGHBOURS = (KSERVE, KUBERAY, GATEWAY_API)


async def neighbours(say: Say = quiet) -> list[Crd]:
    """Return the CRDs of all neighbours, downloaded when the cache lacks them.

    Raises:
        PartMissing: they are not in the cache, and cannot be downloaded.
    """
    if not _all_cached():
        async with only_one(cache(), say):
            for neighbour in NEIGHBOURS:
                if not all(path.exists() for path in neighbour.cached):
                    await _fetch(neighbour, say)
    return [json.loads(path.read_bytes()) for neighbour in NEIGHBOURS for path in neighbour.cached]


def read(folder: Path) -> list[Crd]:
    """Return the CRDs that stand in the YAML files of a folder."""
    found = [document for path in sorted(folder.glob("*.yaml")) for document in _documents(path)]
    return [document for document in found if document["kind"] == "CustomResourceDefinition"]


def _all_cached() -> bool:
    return all(path.exists() for neighbour in NEIGHBOURS for path in neighbour.cached)


async def _fetch(neighbour: Neighbour, say: Say) -> None:
    say(f"getting the CRDs of {neighbour.module} {neighbour.version}")
    folder = await _download(neighbour, await go(say)) / neighbour.folder
    for file, path in zip(neighbour.files, neighbour.cached, strict=True):
        _keep(folder / file, path)


async def _download(neighbour: Neighbour, program: Path) -> Path:
    """Return the folder of the module's sources, whose content is the pinned one."""
    name = f"{neighbour.module}@{neighbour.version}"
    environment = {**os.environ, "GOWORK": "off", "GOFLAGS": ""}
    with tempfile.TemporaryDirectory() as nowhere:  # no go.mod of others near
        process = await asyncio.create_subprocess_exec(
            program, "mod", "download", "-json", name, stdout=asyncio.subprocess.PIPE, cwd=nowhere, env=environment
        )
        output, _ = await process.communicate()
    answer = json.loads(output or "{}")
    if process.returncode != 0 or answer.get("Sum") != neighbour.checksum:
        reason = answer.get("Error") or f"its content is {answer.get('Sum')}, not {neighbour.checksum}"
        raise PartMissing(f"The CRDs of {name} are missing: make a Go module proxy reachable ({reason}).")
    return Path(answer["Dir"])


def _keep(source: Path, target: Path) -> None:
    (crd,) = _documents(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    part.write_text(json.dumps(crd))
    part.replace(target)


def _documents(path: Path) -> list[Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where libyaml is there
    return [d for d in yaml.load_all(path.read_bytes(), Loader=loader) if d]
