"""Mutation tests of the decisions: mutmut changes them one place at a time, and their unit tests have to notice.

    python -m tests.mutants             all of them
    python -m tests.mutants episodes    those of files whose path holds the word
    python -m tests.mutants --go-on     what a run that was stopped has left to do

First every branch of these files has to be taken by the same tests.

Mutmut has an environment of its own under build/mutants, and works on a copy of what it needs. Its mutants live in the
process of the tests, so that one costs about a second; a mutant that loops is ended by its time limit. The state
machines of hypothesis stay out: they draw at random, and a mutant must die every time.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
HOME = ROOT / "build" / "mutants"
WORK = HOME / "work"
MUTMUT = "mutmut==3.8.1"
LEAST = 0.9
"""Share of the mutants that must be killed."""

ROOMS = ("modeldeployment", "driftmonitor", "retrainpolicy")
DECISIONS = (
    "modeldeployment/decide.py",
    "modeldeployment/analysis.py",
    "modeldeployment/stages/*.py",
    "driftmonitor/decide.py",
    "driftmonitor/episodes.py",
    "retrainpolicy/decide.py",
    "retrainpolicy/triggers.py",
    "retrainpolicy/barriers.py",
)
OTHERS = ("test_machine.py", "test_health_of_argocd.py")
"""Tests that draw at random, or are about other files."""

CONFIG = """
[tool.mutmut]
source_paths = ["src"]
only_mutate = {files}
pytest_add_cli_args = {options}
pytest_add_cli_args_test_selection = ["tests/unit"]

[tool.pytest.ini_options]
pythonpath = ["."]
asyncio_mode = "auto"
addopts = "--import-mode=importlib"
"""
OPTIONS = ("-p", "pytest_asyncio.plugin", "-p", "tests.support.properties", "-p", "no:cacheprovider", "--assert=plain")
QUICK = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
"""Loading every plugin would cost more than the tests."""


def main(words: list[str]) -> int:
    """Take every branch, run the mutants, print those that survive, and return the exit status."""
    programs = _environment() / "bin"
    if words != ["--go-on"]:
        chosen = [name for name in DECISIONS if not words or any(word in name for word in words)]
        _lay_out(chosen)
        _cover(programs, chosen)
    subprocess.run([programs / "mutmut", "run", "--max-children", "1"], cwd=WORK, check=True, env=QUICK)
    told = subprocess.run([programs / "mutmut", "results"], cwd=WORK, check=True, capture_output=True, text=True)
    sys.stdout.write(told.stdout)
    subprocess.run([programs / "mutmut", "export-cicd-stats"], cwd=WORK, check=True, stdout=subprocess.DEVNULL)
    counts = json.loads((WORK / "mutants" / "mutmut-cicd-stats.json").read_text(encoding="utf-8"))
    killed = counts["killed"] + counts["timeout"]
    share = killed / counts["total"]
    sys.stdout.write(f"{killed} of {counts['total']} mutants were killed: {share:.1%}, at least {LEAST:.0%}\n")
    return 0 if share >= LEAST else 1


def _environment() -> Path:
    """Make the environment of mutmut, which sees the packages of the project but not the project."""
    home = HOME / "venv"
    if not (home / "bin" / "mutmut").exists():
        uv, python = str(Path(sys.executable).parent / "uv"), str(home / "bin" / "python")
        pinned = str(ROOT / "requirements.lock")
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(home)], check=True)
        install = [uv, "pip", "install", "--quiet", "--python", python, "--constraint", pinned, MUTMUT]
        subprocess.run(install, check=True)
        [packages] = (home / "lib").glob("python*/site-packages")
        [own] = Path(sys.prefix).glob("lib/python*/site-packages")
        (packages / "packages-of-the-project.pth").write_text(f"{own}\n", encoding="utf-8")
    return home


def _lay_out(chosen: list[str]) -> None:
    """Copy the package and the tests of its rooms into the layout that mutmut knows."""
    shutil.rmtree(WORK, ignore_errors=True)
    left_out = shutil.ignore_patterns("__pycache__", *OTHERS)
    shutil.copytree(ROOT / "operator" / "leeboard", WORK / "src" / "leeboard", ignore=left_out)
    for part in ("support", "golden", *(f"unit/leeboard/{room}" for room in ROOMS)):
        shutil.copytree(ROOT / "tests" / part, WORK / "tests" / part, ignore=left_out)
    files = [f"src/leeboard/{name}" for name in chosen]
    config = CONFIG.format(files=json.dumps(files), options=json.dumps(OPTIONS))
    (WORK / "pyproject.toml").write_text(config, encoding="utf-8")


def _cover(programs: Path, chosen: list[str]) -> None:
    """Run the tests once, and demand that they take every branch."""
    files = ",".join(f"src/leeboard/{name}" for name in chosen)
    run = [programs / "coverage", "run", "--branch", f"--include={files}", "-m", "pytest", "-q", *OPTIONS, "tests/unit"]
    subprocess.run(run, cwd=WORK, check=True, env=QUICK | {"PYTHONPATH": "src"})
    report = [programs / "coverage", "report", "--show-missing", "--fail-under=100"]
    subprocess.run(report, cwd=WORK, check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
