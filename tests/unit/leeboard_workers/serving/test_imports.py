import subprocess
import sys

HEAVY = {"pyarrow", "pandas", "sklearn", "scipy", "mlflow", "kserve", "ray", "deltalake", "fastapi", "aiohttp"}


def test_a_transformer_starts_without_what_it_does_not_need() -> None:
    code = "import sys, leeboard_workers.serving.transformer; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "leeboard_workers.serving.transformer" in loaded
    assert HEAVY & set(loaded) == set()
