"""The recipes of the three images: labelled, with a list of what they hold, and built by the lock."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECIPES = {
    "operator": "operator/Dockerfile",
    "serving": "workers/serving.Dockerfile",
    "worker": "workers/worker.Dockerfile",
}
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


@pytest.mark.parametrize("image", RECIPES)
def test_an_image_is_labelled_with_what_make_images_tells_it(image: str):
    recipe = (ROOT / RECIPES[image]).read_text(encoding="utf-8")
    last_stage = recipe[recipe.rindex("\nFROM ") :]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    for argument in ("VERSION", "REVISION", "SOURCE"):
        assert f'org.opencontainers.image.{argument.lower()}="${{{argument}}}"' in last_stage
        assert f"ARG {argument}=" in last_stage
        assert f"--build-arg {argument}=" in makefile


@pytest.mark.parametrize("image", RECIPES)
def test_an_image_is_built_by_the_lock_and_lists_what_it_holds(image: str):
    recipe = (ROOT / RECIPES[image]).read_text(encoding="utf-8")

    assert "uv build --wheel --build-constraints requirements.lock" in recipe
    assert f"sbom.py leeboard-{image} > /opt/leeboard/sbom.cdx.json" in recipe
    assert re.search(r"^hatchling==", LOCK, re.MULTILINE)


def test_the_worker_has_the_pip_by_which_ray_installs_a_trainers_packages():
    extra = (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("\nworker = [")[1].split("\n]")[0]

    assert re.search(r'^    "pip>=', extra, re.MULTILINE)
    assert re.search(r"^pip==", LOCK, re.MULTILINE)


def test_the_list_of_packages_is_cyclonedx():
    command = [sys.executable, str(ROOT / ".ci" / "sbom.py"), "leeboard-test"]
    listed = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    components = {component["name"]: component for component in listed["components"]}

    assert (listed["bomFormat"], listed["specVersion"]) == ("CycloneDX", "1.6")
    assert listed["metadata"]["component"]["name"] == "leeboard-test"
    assert {"leeboard", "pydantic", "prometheus-client"} <= components.keys()
    assert components["pydantic"]["purl"] == f"pkg:pypi/pydantic@{components['pydantic']['version']}"
    assert len({component["bom-ref"] for component in listed["components"]}) == len(listed["components"])
