"""Generated files are written when they are stale, and only then."""

import subprocess
import sys
from pathlib import Path

import yaml

from leeboard.crdgen.files import generated, stale, write
from leeboard.crdgen.rbac import GRANTS


def _crdgen(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "leeboard.crdgen", "--root", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_writes_everything_once(tmp_path: Path):
    assert set(write(tmp_path)) == set(generated())
    assert write(tmp_path) == []


def test_finds_what_was_changed_by_hand(tmp_path: Path):
    write(tmp_path)
    (tmp_path / "crds" / "modeldeployments.yaml").write_text("changed")
    assert stale(tmp_path) == [Path("crds/modeldeployments.yaml")]


def test_check_says_how_to_make_it_fresh_and_writes_nothing(tmp_path: Path):
    checked = _crdgen(tmp_path, "--check")
    assert checked.returncode == 1
    assert "run `make generate`" in checked.stderr
    assert not list(tmp_path.iterdir())
    assert _crdgen(tmp_path).returncode == 0
    assert _crdgen(tmp_path, "--check").returncode == 0


def test_gives_the_chart_the_same_crds():
    files = generated()
    for path in [path for path in files if path.parts[0] == "crds"]:
        assert files[Path("charts/leeboard") / path] == files[path]


def test_describes_every_object_of_a_kind_once_in_its_reference_page():
    page = generated()[Path("docs/reference/modeldeployment.md")]
    headings = [line for line in page.splitlines() if line.startswith("### ")]
    assert len(set(headings)) == len(headings)
    assert {"### Rollout", "### CanaryStep", "### Detector", "### RolloutStatus", "### Condition"} <= set(headings)
    assert "| `hold` | duration (90s, 10m, 6h, 14d) | *required* | At least so long. |" in page
    links = {part.split(")")[0] for part in page.split("](#")[1:]}
    assert links <= {heading.removeprefix("### ").lower() for heading in headings}


def test_grants_no_secret_and_no_wildcard_and_lets_pods_only_be_listed():
    role = yaml.safe_load(generated()[Path("charts/leeboard/generated/clusterrole.yaml")])
    for rule in role["rules"]:
        assert not {"secrets", "*"} & {*rule["resources"], *rule["verbs"], *rule["apiGroups"]}
    assert [rule["verbs"] for rule in role["rules"] if "pods" in rule["resources"]] == [["list"]]
    assert not any(resource.startswith("pods/") for rule in role["rules"] for resource in rule["resources"])
    assert all(grant.reason for grant in GRANTS)
