"""Helm, which renders the chart; made once by `leeboard sandbox prepare helm`."""

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from leeboard.sandbox import programs

CHART = Path(__file__).parents[2] / "charts" / "leeboard"
RELEASE_NAMESPACE = "leeboard-system"

Values = dict[str, Any]
Render = Callable[[Values], list[dict[str, Any]]]


class HelmError(Exception):
    """Helm's refusal."""


@pytest.fixture(scope="session")
def helm() -> Path:
    return asyncio.run(programs.ensure([programs.HELM], print))[programs.HELM]


@pytest.fixture
def render(helm: Path, tmp_path: Path) -> Render:
    """Render the chart with some values, as `helm install` would."""

    def rendered(values: Values) -> list[dict[str, Any]]:
        said = run(helm, tmp_path, values, "template", "leeboard", str(CHART), "--kube-version", "1.36.0")
        return [document for document in yaml.safe_load_all(said) if document]

    return rendered


def run(helm: Path, folder: Path, values: Values, *arguments: str) -> str:
    """Run helm with values; raises HelmError with what it said."""
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    told = [] if arguments[0] == "uninstall" else ["--values", str(file)]
    command = [str(helm), *arguments, "--namespace", RELEASE_NAMESPACE, *told]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise HelmError(done.stderr)
    return done.stdout
