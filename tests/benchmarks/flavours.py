"""Models of XGBoost, LightGBM and ONNX behind the predictor, on the real libraries: the same answers, and how fast.

Each answer is held against what the library itself answers; a difference ends the run. Eight clients beside one show
what joining the requests that wait is worth. The libraries are laid beside our own packages, under build/peers.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import orjson

from tests.benchmarks.figures import Figure
from tests.benchmarks.peers import ENVIRONMENTS
from tests.support.dataplane import MODEL, Plane, Served
from tests.support.load import measure

PACKAGES = (
    "xgboost==3.2.0",
    "lightgbm==4.7.0",
    "onnx==1.23.2",
    "onnxruntime==1.32.0",
    "flatbuffers==25.12.19",
    "ml-dtypes==0.6.0",
)
V1 = f"/v1/models/{MODEL}:predict"
SECONDS = 2.0
TOLERANCE = 1e-5


def figures() -> Iterator[Figure]:
    """A request of 8 rows from one of eight clients, beside one of a single client."""
    beside = {"PYTHONPATH": str(_laid().absolute())}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        script = [sys.executable, "-m", "tests.benchmarks.scripts.flavours", str(folder)]
        subprocess.run(["env", f"PYTHONPATH={beside['PYTHONPATH']}", *script], check=True, capture_output=True)
        plane = Plane(folder)
        try:
            for told in sorted(folder.glob("*.json")):
                yield _figure(plane.predictor(folder / told.stem, **beside), told)
        finally:
            plane.stop()


def _figure(served: Served, told: Path) -> Figure:
    expected = json.loads(told.read_text())
    request = {"instances": expected["rows"]}
    answered = served.post(V1, request).json()
    for what, values in expected["answers"].items():
        np.testing.assert_allclose(answered[what], values, rtol=TOLERANCE, atol=TOLERANCE, err_msg=told.stem)
    outputs = served.get(f"/v2/models/{MODEL}").json()["outputs"]
    shapes = {tensor["name"]: tensor["shape"][1:] for tensor in outputs}
    found = {
        "predict" if what == "predictions" else what: list(np.shape(values)[1:]) for what, values in answered.items()
    }
    if shapes != found:
        raise RuntimeError(f"the metadata of {told.stem} tell {shapes}, it answers {found}")
    one, eight = (measure(served.url + V1, orjson.dumps(request), clients=n, seconds=SECONDS) for n in (1, 8))
    if one.refused or eight.refused:
        raise RuntimeError(f"requests were refused, see {served.log}")
    times = 1.0 / eight.requests_per_second, 1.0 / one.requests_per_second
    return Figure(f"{told.stem}: a request of 8 rows, 8 clients", "the same, 1 client", *times)


def _laid() -> Path:
    """Lay the libraries into a folder, without what we have ourselves."""
    folder = ENVIRONMENTS / "flavours"
    stamp, wanted = folder / "requirements", sha256("\n".join(PACKAGES).encode()).hexdigest()
    if not (stamp.exists() and stamp.read_text() == wanted):
        uv = [sys.executable, "-m", "uv", "--quiet", "pip", "install", "--python", sys.executable]
        subprocess.run([*uv, "--no-deps", "--target", str(folder), *PACKAGES], check=True)
        stamp.write_text(wanted)
    return folder
