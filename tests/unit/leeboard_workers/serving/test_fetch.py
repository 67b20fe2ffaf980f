from pathlib import Path

import pytest
from mlflow.entities import FileInfo
from mlflow.store.artifact import artifact_repository_registry

from leeboard_workers.serving.detection import artifact_url
from leeboard_workers.serving.fetch import FetchError, check_allowed, fetch


@pytest.mark.parametrize("uri", ["mlflow-artifacts:/1/models/m-1/artifacts", "models:/a/1", "runs:/r/model"])
def test_mlflows_own_schemes_are_fetched(uri: str) -> None:
    check_allowed(uri, None)


@pytest.mark.parametrize(
    ("uri", "allowed"),
    [
        ("file:///etc", None),
        ("s3://bucket/m", None),
        ("mlflow-artifacts:/2/m", "mlflow-artifacts:/1/"),
        ("mlflow-artifacts:/1/../2/m", "mlflow-artifacts:/1/"),
        ("mlflow-artifacts:/1/%2E%2e/2/m", "mlflow-artifacts:/1/"),
        ("mlflow-artifacts:/1/%252e%252e/2/m", "mlflow-artifacts:/1/"),
        ("mlflow-artifacts:/10/m", "mlflow-artifacts:/1"),
        ("models:/flights-secret/1", "models:/flights"),
        ("models:/flightsecret@champion", "models:/other,models:/flight"),
    ],
)
def test_others_are_refused_with_a_sentence(uri: str, allowed: str | None) -> None:
    with pytest.raises(ValueError, match=r"fetches|not under an allowed prefix"):
        check_allowed(uri, allowed)


@pytest.mark.parametrize("uri", ["models:/flights", "models:/flights/1", "models:/flights@champion"])
@pytest.mark.parametrize("allowed", ["models:/flights", "models:/other, models:/flights", "models:/"])
def test_a_prefix_ends_where_a_name_does(uri: str, allowed: str) -> None:
    check_allowed(uri, allowed)


def test_files_whose_length_nobody_lists_are_counted_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Store:
        """Lists two files without their lengths."""

        def list_artifacts(self, _folder: str | None) -> list[FileInfo]:
            return [FileInfo(name, is_dir=False, file_size=None) for name in ("a", "b")]

        def download_artifacts(self, artifact_path: str, dst_path: str) -> str:
            (path := Path(dst_path) / artifact_path).write_bytes(bytes(1000))
            return str(path)

    uri = "mlflow-artifacts://h/1"
    monkeypatch.setattr(artifact_repository_registry, "get_artifact_repository", lambda _uri: Store())
    with pytest.raises(FetchError, match="the files are longer than 1999 bytes"):
        fetch(uri, tmp_path, 1999)
    assert fetch(uri, tmp_path, 2000) == []


def test_artifacts_are_read_by_plain_http() -> None:
    path = "api/2.0/mlflow-artifacts/artifacts"
    assert artifact_url("mlflow-artifacts:/1/r/d x.json", "http://m:5000/") == f"http://m:5000/{path}/1/r/d%20x.json"
    assert artifact_url("mlflow-artifacts://h:1/1/r", "") == f"http://h:1/{path}/1/r"
    with pytest.raises(ValueError, match="MLFLOW_TRACKING_URI"):
        artifact_url("mlflow-artifacts:/1/r", "sqlite:///x")
