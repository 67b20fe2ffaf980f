"""Peers of a benchmark, each in an environment of its own (made once, under build/peers), in a process that measures.

A script is a file of tests/benchmarks/scripts that hands its work to `measured` (scripts/measured.py). It is told its
parameters, and answers with its times, its own peak of memory and whatever its numbers are. Our own side may run in
the same way, in the environment of the benchmark (`OURS`), so that both are measured alike.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any

ENVIRONMENTS = Path("build/peers")
SCRIPTS = Path(__file__).parent / "scripts"
TIMEOUT_SECONDS = 900
_QUIET = {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1"}
"""Some peers would tell their makers of each run."""


@dataclass(frozen=True)
class Environment:
    """A Python environment with some packages."""

    name: str
    """Folder under build/peers."""
    packages: tuple[str, ...]
    """Requirements, pinned so that the figures can be made again."""

    def python(self) -> str:
        """Return its interpreter; made at the first need, and anew when the requirements changed."""
        return _made(self)


@dataclass(frozen=True)
class Run:
    """What a script measured of itself."""

    times: tuple[float, ...]
    """Seconds of each run."""
    peak_mb: float
    """Most resident memory of its process, MB."""
    before_mb: float
    """The same before the work began: interpreter, packages and input."""
    answer: Any
    """What the work returned in the last run, as JSON."""

    @property
    def seconds(self) -> float:
        """Median of the runs."""
        return median(self.times)


class PeerError(RuntimeError):
    """A script did not answer."""


OURS = Environment("", ())
"""The environment that runs the benchmark."""


def run(environment: Environment, script: str, *, runs: int = 3, timeout: float = TIMEOUT_SECONDS, **told: Any) -> Run:
    """Run a script in an environment.

    Args:
        environment: Where.
        script: Name of a file in tests/benchmarks/scripts, without its ending.
        runs: Timed runs, after one that does not count; 0 times the first and only run.
        timeout: Seconds for all of it.
        told: Parameters of the script, as JSON.

    Raises:
        PeerError: the script failed or took too long; the message holds its last lines.
    """
    command = [environment.python(), str(SCRIPTS / f"{script}.py"), json.dumps({"runs": runs, "told": told})]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, check=False, env=os.environ | _QUIET
        )
    except subprocess.TimeoutExpired as error:
        raise PeerError(f"{script} took longer than {timeout:.0f} s") from error
    if done.returncode != 0:
        raise PeerError(f"{script} failed: {done.stderr[-2000:]}")
    answer = json.loads(done.stdout.splitlines()[-1])
    return Run(tuple(answer["times"]), answer["peak_mb"], answer["before_mb"], answer["answer"])


@cache
def _made(environment: Environment) -> str:
    if not environment.packages:
        return sys.executable
    folder = ENVIRONMENTS / environment.name
    python, stamp = folder / "bin" / "python", folder / "requirements"
    wanted = sha256("\n".join(environment.packages).encode()).hexdigest()
    if not (stamp.exists() and stamp.read_text() == wanted):
        uv = [sys.executable, "-m", "uv", "--quiet"]
        subprocess.run([*uv, "venv", "--clear", "--python", sys.executable, str(folder)], check=True)
        subprocess.run([*uv, "pip", "install", "--python", str(python), *environment.packages], check=True)
        stamp.write_text(wanted)
    return str(python.absolute())
