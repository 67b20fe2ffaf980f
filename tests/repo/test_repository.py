"""What holds for the repository as a whole."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from leeboard.crdgen.files import stale
from leeboard.crdgen.kinds import KINDS

ROOT = Path(__file__).parents[2]
LONGEST_FILE = 420
LONGEST_TEST = 600  # tables of cases grow longer
MOST_LONG_FILES = 0.1

# Written in pieces, so that this file does not find itself.
FORBIDDEN = [
    "/wo" + "rk/",
    "files.pytho" + "nhosted.org",
    "py" + "pi.org",
    "proxy.go" + "lang.org",
    "TO" + "DO",
    "FIX" + "ME",
]


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def _texts() -> dict[str, str]:
    texts = {}
    for path in _tracked():
        try:
            texts[str(path.relative_to(ROOT))] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return texts


TEXTS = _texts()
PYTHON = {name: text for name, text in TEXTS.items() if name.endswith(".py")}


@pytest.mark.parametrize("word", FORBIDDEN)
def test_names_no_place_and_leaves_nothing_undone(word: str):
    assert [name for name, text in TEXTS.items() if word in text] == []


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "LICENSE",
        "Makefile",
        "requirements.lock",
        ".importlinter",
        ".pre-commit-config.yaml",
        ".github/workflows/ci.yaml",
    ],
)
def test_has_what_a_visitor_looks_for(name: str):
    assert TEXTS.get(name, "").strip()


def test_says_of_every_dependency_why_it_is_there():
    in_list, silent = False, []
    for line in TEXTS["pyproject.toml"].splitlines():
        stripped = line.strip()
        if re.fullmatch(r"[a-z]+ = \[", stripped):
            in_list = stripped.split(" ")[0] in _dependency_lists()
        elif stripped == "]":
            in_list = False
        elif in_list and stripped.startswith('"') and not stripped.startswith('"leeboard[') and "  # " not in line:
            silent.append(stripped)
    assert silent == []


def _dependency_lists() -> set[str]:
    document = tomllib.loads(TEXTS["pyproject.toml"])
    return {"dependencies", *document["project"]["optional-dependencies"], *document["dependency-groups"]}


def test_names_the_rule_of_every_exception():
    bare = [name for name, text in PYTHON.items() if re.search(r"#\s*noqa(?!: [A-Z])|#\s*type: ignore(?!\[)", text)]
    assert bare == []


def test_keeps_files_short():
    long = [
        name
        for name, text in PYTHON.items()
        if text.count("\n") > (LONGEST_TEST if name.startswith("tests/") else LONGEST_FILE)
    ]
    assert long == []


def test_keeps_half_of_the_files_very_short():
    product = sorted(text.count("\n") for name, text in PYTHON.items() if name.startswith(("operator/", "workers/")))
    assert product[len(product) // 2] <= 150


def test_keeps_generated_files_fresh():
    assert stale(ROOT) == [], "run `make generate`"


def test_reads_every_example_as_its_kind():
    kinds = {kind.kind: kind.model for kind in KINDS}
    examples = {name: text for name, text in TEXTS.items() if re.fullmatch(r"docs/examples/.*\.yaml", name)}
    assert {"docs/examples/flights/modeldeployment.yaml", "docs/examples/features/promql.yaml"} <= examples.keys()
    for text in examples.values():
        for document in yaml.safe_load_all(text):
            kinds[document["kind"]].model_validate(document)


def _options(schema: dict[str, Any], path: str) -> Iterator[str]:
    """What may be said below a place of a schema."""
    yield from _options(schema["items"], path) if "items" in schema else ()
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from _options(inner, f"{path}.{name}")


def _said(value: Any, path: str) -> Iterator[str]:
    for inner in value if isinstance(value, list) else ():
        yield from _said(inner, path)
    for name, inner in value.items() if isinstance(value, dict) else ():
        yield f"{path}.{name}"
        yield from _said(inner, f"{path}.{name}")


def test_shows_every_option_of_a_drift_monitor_in_an_example():
    crd = yaml.safe_load(TEXTS["crds/driftmonitors.yaml"])
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    examples = [text for name, text in TEXTS.items() if re.fullmatch(r"docs/examples/.*\.yaml", name)]
    documents = [document for text in examples for document in yaml.safe_load_all(text)]
    said = {option for document in documents if document["kind"] == "DriftMonitor" for option in _said(document, "")}
    asked = [option for part in ("checks", "reference", "columns", "alerting") for option in _options(spec[part], part)]
    assert [option for option in asked if f".spec.{option}" not in said] == []


def test_explains_every_example_in_its_first_line():
    examples = {name: text for name, text in TEXTS.items() if re.fullmatch(r"docs/examples/.*\.yaml", name)}
    assert [name for name, text in examples.items() if not text.startswith("# ")] == []


def test_puts_no_package_where_it_would_shadow_the_standard_library():
    assert not {"operator/__init__.py", "workers/__init__.py"} & TEXTS.keys()


def test_gives_each_decision_record_its_own_number():
    records = sorted(Path(name).name for name in TEXTS if re.fullmatch(r"docs/decisions/\d{4}-[a-z0-9-]+\.md", name))
    numbers = [int(name[:4]) for name in records]
    assert len(numbers) > 1
    assert len(set(numbers)) == len(numbers)
