import pytest

from leeboard_workers.serving.detection import artifact_url
from leeboard_workers.serving.fetch import check_allowed


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
    ],
)
def test_others_are_refused_with_a_sentence(uri: str, allowed: str | None) -> None:
    with pytest.raises(ValueError, match=r"fetches|not under an allowed prefix"):
        check_allowed(uri, allowed)


def test_artifacts_are_read_by_plain_http() -> None:
    path = "api/2.0/mlflow-artifacts/artifacts"
    assert artifact_url("mlflow-artifacts:/1/r/d x.json", "http://m:5000/") == f"http://m:5000/{path}/1/r/d%20x.json"
    assert artifact_url("mlflow-artifacts://h:1/1/r", "") == f"http://h:1/{path}/1/r"
    with pytest.raises(ValueError, match="MLFLOW_TRACKING_URI"):
        artifact_url("mlflow-artifacts:/1/r", "sqlite:///x")
