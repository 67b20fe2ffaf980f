"""A command imports what it needs: people wait for it."""

import subprocess
import sys

HEAVY = {"mlflow", "ray", "kserve", "numpy", "pandas", "kopf", "leeboard.contract", "leeboard.app", "leeboard.sandbox"}


def test_status_imports_nothing_heavy() -> None:
    code = "import sys, leeboard.cli.status, leeboard.cli.program; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not HEAVY & set(loaded)
