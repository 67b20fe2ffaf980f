"""What the pages say is true: manifests are valid, links lead somewhere, commands, metrics and settings exist."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from leeboard.cli.program import program
from leeboard.contract import serving
from leeboard.crdgen.kinds import KINDS
from leeboard.settings import PREFIX, Settings
from leeboard.telemetry import Telemetry
from tests.support.manifests import DRIFT_MONITOR, MODEL_DEPLOYMENT, RETRAIN_POLICY

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
SOURCE = "\n".join(
    path.read_text(encoding="utf-8")
    for folder in (ROOT / "operator", ROOT / "workers")
    for path in sorted(folder.rglob("*.py"))
)

MODELS = {kind.kind: kind.model for kind in KINDS}
SMALLEST = {"ModelDeployment": MODEL_DEPLOYMENT, "DriftMonitor": DRIFT_MONITOR, "RetrainPolicy": RETRAIN_POLICY}

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FRAGMENT = re.compile(r"# in the spec of a (\w+)\n")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
INLINE = re.compile(r"`([^`\n]+)`")
COMMAND = re.compile(r"(?:^|[\s;&|])leeboard ([a-z][^|;&\n#]*)", re.MULTILINE)


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _blocks(page: Path, language: str) -> Iterator[str]:
    for found, text in FENCE.findall(page.read_text(encoding="utf-8")):
        if found == language:
            yield text


def _manifests(page: Path) -> Iterator[dict[str, Any]]:
    """Yield each manifest of a page; a fragment of a spec, marked by its first line, is put into the smallest one."""
    for text in _blocks(page, "yaml"):
        fragment = FRAGMENT.match(text)
        if fragment is not None:
            kind = fragment[1]
            spec = SMALLEST[kind] | yaml.safe_load(text)
            yield {"apiVersion": "leeboard.dev/v1alpha1", "kind": kind, "metadata": {"name": "page"}, "spec": spec}
            continue
        yield from (document for document in yaml.safe_load_all(text) if (document or {}).get("kind") in MODELS)


def _commands(page: Path) -> Iterator[list[str]]:
    """Yield the words after `leeboard` wherever a page shows a command: in a shell block, or inline."""
    text = page.read_text(encoding="utf-8")
    shown = [*_blocks(page, "sh"), *INLINE.findall(FENCE.sub("", text))]
    for command in (found for piece in shown for found in COMMAND.findall(piece)):
        words = shlex.split(command)
        if words and words[0][0].isalpha():
            yield words


def _is_known(words: list[str]) -> bool:
    """Say whether the command, with its options, is one of the program's."""
    command: Any = typer.main.get_command(program)
    rest = list(words)
    while rest and hasattr(command, "commands"):
        command = command.commands.get(rest.pop(0))
    if command is None:
        return False
    options = {option for parameter in command.params for option in parameter.opts}
    return all(word.split("=")[0] in options for word in rest if word.startswith("-"))


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_shows_only_valid_manifests(page: Path):
    for manifest in _manifests(page):
        assert manifest["apiVersion"] == "leeboard.dev/v1alpha1"
        MODELS[manifest["kind"]].model_validate_json(json.dumps(manifest), strict=True)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Path):
    text = INLINE.sub("", FENCE.sub("", page.read_text(encoding="utf-8")))
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{target} leads nowhere"
        if anchor:
            assert anchor in _anchors(linked), f"{target}: the page has no such heading"


def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_shows_only_commands_that_there_are(page: Path):
    unknown = [" ".join(words) for words in _commands(page) if not _is_known(words)]
    assert not unknown


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=_name)
def test_shows_only_targets_that_make_has(page: Path):
    text = page.read_text(encoding="utf-8")
    shell = [
        *_blocks(page, "sh"),
        *re.findall(r"^    make .*$", text, re.MULTILINE),
        *INLINE.findall(FENCE.sub("", text)),
    ]
    named = {target for piece in shell for target in re.findall(r"\bmake ([a-z][a-z0-9-]*)", piece)}
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert named - targets == set()


def test_every_command_is_shown_somewhere():
    shown = {words[0] for page in PAGES for words in _commands(page)}
    assert shown >= set(typer.main.get_command(program).commands)  # type: ignore[attr-defined]


def test_every_metric_of_arms_and_operator_is_described():
    page = (DOCS / "operations" / "metrics.md").read_text(encoding="utf-8")
    arms = {value for name, value in vars(serving).items() if name.startswith("METRIC_")}
    families = list(Telemetry().registry.collect())
    operator = {f"{family.name}_total" if family.type == "counter" else family.name for family in families}
    assert {name for name in arms | operator if f"`{name}`" not in page} == set()


def test_describes_only_metrics_that_there_are():
    page = (DOCS / "operations" / "metrics.md").read_text(encoding="utf-8")
    for name in re.findall(r"^\| `(leeboard_\w+)`", page, re.MULTILINE):
        assert f'"{name}"' in SOURCE or f'"{name.removesuffix("_total")}"' in SOURCE, f"{name} is nobody's metric"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_names_only_settings_that_there_are(page: Path):
    variables = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    for name in re.findall(r"\bLEEBOARD_[A-Z_]+[A-Z]\b", page.read_text(encoding="utf-8")):
        assert name in variables or f'"{name}"' in SOURCE, f"{name} is nobody's variable"
