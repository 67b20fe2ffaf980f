"""Trains a small model of each flavour, saves it by MLflow, and writes what the library itself answers to some rows.

`python -m tests.benchmarks.scripts.flavours FOLDER`: FOLDER/<name> is the model, FOLDER/<name>.json the answers.
"""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightgbm
import mlflow
import numpy as np
import onnx
import onnxruntime
import pandas as pd
import xgboost
from mlflow.models import infer_signature
from onnx import helper
from sklearn.datasets import load_breast_cancer
from sklearn.neural_network import MLPClassifier

ROWS = 8


def main(folder: Path) -> None:
    """Save them all."""
    frame, labels = load_breast_cancer(return_X_y=True, as_frame=True)
    frame = frame.iloc[:, :8].rename(columns=lambda name: name.replace(" ", "_"))
    for name, save, expected in _models(frame, labels):
        save(folder / name)
        answers = {what: np.asarray(values).tolist() for what, values in expected.items()}
        rows = frame.head(ROWS)
        told = {"columns": list(rows), "rows": rows.to_numpy().tolist(), "answers": answers}
        (folder / f"{name}.json").write_text(json.dumps(told))


Made = tuple[str, Callable[[Path], None], dict[str, Any]]


def _models(frame: pd.DataFrame, labels: pd.Series) -> Iterator[Made]:
    some = frame.head(ROWS)
    boosted = xgboost.XGBClassifier(n_estimators=20).fit(frame, labels)
    signature = infer_signature(some, boosted.predict(some))
    yield (
        "xgboost",
        lambda path: mlflow.xgboost.save_model(boosted, path, signature=signature, model_format="json"),
        _told(boosted, some, boosted.predict(some, output_margin=True)),
    )
    booster = boosted.get_booster()
    yield (
        "xgboost-booster",
        lambda path: mlflow.xgboost.save_model(booster, path, signature=signature, model_format="json"),
        {"predictions": booster.predict(xgboost.DMatrix(some))},
    )
    leaves = lightgbm.LGBMClassifier(n_estimators=20, verbose=-1).fit(frame, labels)
    yield (
        "lightgbm",
        lambda path: mlflow.lightgbm.save_model(leaves, path, signature=signature),
        _told(leaves, some, leaves.predict(some, raw_score=True)),
    )
    mean, scale = frame.mean(), frame.std()
    network = MLPClassifier((6,), max_iter=300, random_state=0).fit((frame - mean) / scale, labels)
    graph = _graph(network, mean.to_numpy(), scale.to_numpy())
    names = ("probabilities", "logits", "features")
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    answered = dict(zip(names, session.run(list(names), {"rows": some.to_numpy(np.float32)}), strict=True))
    told = {"predictions": answered["probabilities"].argmax(axis=1)} | answered
    tensors = infer_signature(some.to_numpy(np.float32), answered)
    yield "onnx", lambda path: mlflow.onnx.save_model(graph, path, signature=tensors), told


def _told(model: Any, rows: pd.DataFrame, margins: Any) -> dict[str, Any]:
    """Return the answers of a classifier of two classes; each class has its half of the log odds."""
    logits = np.column_stack([-margins, margins]) / 2.0
    return {"predictions": model.predict(rows), "probabilities": model.predict_proba(rows), "logits": logits}


def _graph(network: MLPClassifier, mean: Any, scale: Any) -> Any:
    """Return the network with the softmax of both classes as an ONNX graph: rows by 8 in, three matrices out."""
    first, last = network.coefs_
    weights = {
        "mean": mean,
        "scale": scale,
        "first": first,
        "first_bias": network.intercepts_[0],
        "last": np.hstack([-last, last]) / 2.0,
        "last_bias": np.concatenate([-network.intercepts_[1], network.intercepts_[1]]) / 2.0,
    }
    nodes = [
        helper.make_node("Sub", ["rows", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["scaled"]),
        helper.make_node("MatMul", ["scaled", "first"], ["inner"]),
        helper.make_node("Add", ["inner", "first_bias"], ["shifted"]),
        helper.make_node("Relu", ["shifted"], ["features"]),
        helper.make_node("MatMul", ["features", "last"], ["outer"]),
        helper.make_node("Add", ["outer", "last_bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    widths = {"probabilities": 2, "logits": 2, "features": first.shape[1]}
    outputs = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None, n]) for name, n in widths.items()]
    inputs = [helper.make_tensor_value_info("rows", onnx.TensorProto.FLOAT, [None, len(mean)])]
    stored = [onnx.numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "network", inputs, outputs, stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
