"""What is asked of KServe and of the gateway."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from leeboard.api.errors import SpecError
from leeboard.api.modeldeployment import ModelDeployment
from leeboard.modeldeployment import manifests, route
from leeboard.modeldeployment.arms import read_arm
from leeboard.modeldeployment.route import Split
from leeboard.sandbox.standins.arms import variables_of
from leeboard.settings import Settings

SETTINGS = Settings(collector_url="http://collector", passed_environment={"MLFLOW_S3_ENDPOINT_URL": "http://minio"})
URI = "mlflow-artifacts:/1/models/m-1/artifacts"


def subject(**spec: Any):
    return ModelDeployment.model_validate(
        {
            "metadata": {"name": "flights", "namespace": "air", "uid": "me"},
            "spec": {"model": {"name": "flights"}, **spec},
        }
    )


def service(detector_uri: str | None = None, **spec: Any):
    return manifests.inference_service(
        subject(**spec), "7", uri=URI, detector_uri=detector_uri, settings=SETTINGS, runtime="leeboard-mlflow-0-1-0"
    )


def environment(manifest: dict[str, Any]):
    return {entry["name"]: entry.get("value") for entry in manifest["spec"]["transformer"]["containers"][0]["env"]}


def test_an_arm_is_standard_cluster_local_and_owned():
    metadata = service()["metadata"]

    assert metadata["annotations"]["serving.kserve.io/deploymentMode"] == "Standard"
    assert metadata["labels"]["networking.kserve.io/visibility"] == "cluster-local"
    assert metadata["labels"]["leeboard.dev/version"] == "7"
    assert metadata["ownerReferences"][0]["uid"] == "me"
    assert metadata["ownerReferences"][0]["blockOwnerDeletion"] is False


def test_leeboards_runtime_gets_the_public_name():
    model = service()["spec"]["predictor"]["model"]

    assert model["runtime"] == "leeboard-mlflow-0-1-0"
    assert model["args"] == ["--model_name=flights"]
    assert model["storageUri"] == URI
    assert "LEEBOARD_PREDICTOR_MODEL" not in environment(service())


def test_another_runtime_keeps_its_own_name_for_the_model():
    manifest = service(serving={"runtime": "triton", "protocolVersion": "v2"})

    assert "args" not in manifest["spec"]["predictor"]["model"]
    assert environment(manifest)["LEEBOARD_PREDICTOR_MODEL"] == manifest["metadata"]["name"]


def test_the_transformer_is_told_everything():
    told = environment(service("mlflow-artifacts:/1/r/artifacts/detector", outOfDistribution={"onDetection": "Reject"}))

    assert told["LEEBOARD_VERSION"] == "7"
    assert told["LEEBOARD_NAMESPACE"] == "air"
    assert told["LEEBOARD_ON_DETECTION"] == "Reject"
    assert told["LEEBOARD_DETECTOR_URI"].endswith("/detector")
    assert told["LEEBOARD_COLLECTOR_URL"] == "http://collector"
    assert told["MLFLOW_S3_ENDPOINT_URL"] == "http://minio"
    assert told["LEEBOARD_SAMPLE_PERCENT"] == "100"


def test_private_columns_are_told_and_their_key_stays_in_its_secret():
    columns = {"drop": ["name"], "hash": ["id"], "hashKeyRef": {"name": "keys", "key": "log"}, "round": {"age": -1}}
    container = service(logging={"columns": columns})["spec"]["transformer"]["containers"][0]
    told = {item["name"]: item for item in container["env"]}

    assert json.loads(told["LEEBOARD_LOG_COLUMNS"]["value"]) == {"drop": ["name"], "hash": ["id"], "round": {"age": -1}}
    assert told["LEEBOARD_HASH_KEY"]["valueFrom"] == {"secretKeyRef": {"name": "keys", "key": "log"}}


COLUMN = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20) | st.text("$()A", min_size=1, max_size=8)


@given(st.lists(COLUMN, unique=True, min_size=1, max_size=3))
@example(["$(LEEBOARD_ARM)", "a$$b", "$$(LEEBOARD_ARM)", "$"])
def test_a_private_column_of_any_name_reaches_the_transformer_as_it_is(names: list[str]):
    container = service(logging={"columns": {"drop": names}})["spec"]["transformer"]["containers"][0]
    told = variables_of(container)

    assert json.loads(told["LEEBOARD_LOG_COLUMNS"])["drop"] == names


def test_the_detector_that_an_arm_carries_is_read_back_as_it_was_written():
    uri = "s3://bucket/$(LEEBOARD_ARM)/$$/detector"
    arm = read_arm(service(uri, outOfDistribution={}), {}, "me")

    assert arm.detector_uri == uri
    assert (
        variables_of(service(uri, outOfDistribution={})["spec"]["transformer"]["containers"][0])[
            "LEEBOARD_DETECTOR_URI"
        ]
        == uri
    )


def test_the_namespaces_token_for_the_collector_is_taken_where_there_is_one():
    container = service()["spec"]["transformer"]["containers"][0]
    told = {item["name"]: item for item in container["env"]}
    secret = {"name": "leeboard-collector", "key": "token", "optional": True}

    assert told["LEEBOARD_COLLECTOR_TOKEN"]["valueFrom"] == {"secretKeyRef": secret}


def test_pods_are_hardened():
    transformer = service()["spec"]["transformer"]

    assert transformer["automountServiceAccountToken"] is False
    assert transformer["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    assert transformer["containers"][0]["securityContext"]["runAsNonRoot"] is True


def test_a_slow_pod_stays_ready_and_one_that_goes_drains_first():
    arm = service()["spec"]
    runtime = manifests.serving_runtime("air", "leeboard-mlflow-0-1-0", SETTINGS)["spec"]

    for container in (arm["transformer"]["containers"][0], runtime["containers"][0]):
        probe = container["readinessProbe"]
        assert (probe["timeoutSeconds"], probe["failureThreshold"]) == (5, 6)
        assert container["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}
    for pod in (arm["transformer"], arm["predictor"]):
        assert pod["terminationGracePeriodSeconds"] == 60
    chosen = service(serving={"predictor": {"terminationGracePeriodSeconds": 300}})["spec"]["predictor"]
    assert chosen["terminationGracePeriodSeconds"] == 300


@pytest.mark.parametrize("change", [{"serving_image": "mine/serving:0.1.0"}, {"pull_policy": "Always"}])
def test_another_serving_image_is_another_runtime_and_the_same_arm(change: dict[str, str]):
    changed = SETTINGS.model_copy(update=change)
    one, other = (manifests.runtime_name("0.1.0", settings) for settings in (SETTINGS, changed))

    assert one != other
    assert all(name.startswith("leeboard-mlflow-0-1-0-") for name in (one, other))
    arms = [
        manifests.inference_service(subject(), "7", uri=URI, detector_uri=None, settings=settings, runtime=runtime)
        for settings, runtime in ((SETTINGS, one), (changed, other))
    ]
    assert arms[0]["metadata"] == arms[1]["metadata"]


def test_arms_pull_their_images_as_the_settings_say():
    settings = Settings(pull_policy="Always", pull_secrets=("registry",))
    arm = manifests.inference_service(subject(), "7", uri=URI, detector_uri=None, settings=settings, runtime="own")
    runtime = manifests.serving_runtime("air", "own", settings)
    pods = arm["spec"]["predictor"], arm["spec"]["transformer"]

    assert [pod["imagePullSecrets"] for pod in pods] == [[{"name": "registry"}]] * 2
    assert pods[1]["containers"][0]["imagePullPolicy"] == "Always"
    assert runtime["spec"]["containers"][0]["imagePullPolicy"] == "Always"
    assert "imagePull" not in str(service())


def test_more_predictor_fields_are_passed_through():
    predictor = service(serving={"predictor": {"nodeSelector": {"gpu": "a100"}}})["spec"]["predictor"]

    assert predictor["nodeSelector"] == {"gpu": "a100"}


@pytest.mark.parametrize(
    ("sentence", "spec", "other"),
    [
        ("a detector", {"outOfDistribution": {}}, True),
        ("its acceptance", {"outOfDistribution": {"acceptance": 0.9}}, True),
        ("resources", {"serving": {"resources": {"limits": {"cpu": "2"}}}}, True),
        ("the runtime", {"serving": {"runtime": "triton"}}, True),
        ("an image", {"serving": {"predictor": {"imagePullSecrets": [{"name": "x"}]}}}, True),
        ("the sample", {"logging": {"samplePercent": 10}}, True),
        ("the columns of the log", {"logging": {"columns": {"drop": ["name"]}}}, True),
        ("the replicas", {"serving": {"replicas": {"min": 3, "max": 9}}}, False),
        ("the rollout", {"rollout": {"bake": "1h"}}, False),
        ("the host name", {"routing": {"hostnames": ["a.example.com"]}}, False),
    ],
)
def test_what_changes_answers_makes_another_arm(sentence: str, spec: dict[str, Any], *, other: bool):
    changed = manifests.arm_name(subject(**spec), "7") != manifests.arm_name(subject(), "7")

    assert changed is other, sentence


def test_a_name_keeps_within_what_kserve_bears():
    long = ModelDeployment.model_validate(
        {
            "metadata": {"name": "a" * 60, "namespace": "n" * 20},
            "spec": {"model": {"name": "flights"}},
        }
    )
    assert len(manifests.arm_name(long, "123")) + 20 <= 50


@pytest.mark.parametrize("uri", [URI, "s3://models/1", "models:/flights/1", "gs://b/m", "pvc://claim/path"])
def test_files_that_can_be_fetched(uri: str):
    manifests.check_storage(uri)


@pytest.mark.parametrize("uri", ["/mlruns/1/artifacts", "file:///mlruns/1", "ftp://host/model"])
def test_files_that_cannot_be_fetched_are_refused_with_a_sentence(uri: str):
    with pytest.raises(SpecError, match="can fetch"):
        manifests.check_storage(uri)


def wanted(**spec: Any):
    return route.http_route(subject(**spec), Split({"flights-v1-a": 90, "flights-v2-b": 10}), SETTINGS)


def served(manifest: dict[str, Any]):
    """Return the route as the API server gives it back."""
    raw = copy.deepcopy(manifest)
    raw["metadata"] |= {"generation": 3, "resourceVersion": "7"}
    conditions = [{"type": kind, "status": "True", "observedGeneration": 3} for kind in ("Accepted", "ResolvedRefs")]
    raw["status"] = {"parents": [{"parentRef": raw["spec"]["parentRefs"][0], "conditions": conditions}]}
    return raw


def taken_up(raw: dict[str, Any]):
    return route.taken_up(route.read_route(raw, "me"), route.shape(wanted()), "leeboard-system/leeboard")


def test_the_route_is_taken_up_when_the_gateway_has_seen_its_newest_generation():
    assert taken_up(served(wanted()))


@pytest.mark.parametrize(
    ("sentence", "spoil"),
    [
        ("not accepted", lambda raw: raw["status"]["parents"][0]["conditions"][0].update(status="False")),
        ("not resolved", lambda raw: raw["status"]["parents"][0]["conditions"][1].update(status="False")),
        ("seen before the change", lambda raw: raw["metadata"].update(generation=4)),
        ("other weights", lambda raw: raw["spec"]["rules"][0]["backendRefs"][0].update(weight=50)),
        ("another gateway", lambda raw: raw["status"]["parents"][0]["parentRef"].update(name="other")),
        ("no status", lambda raw: raw.pop("status")),
        ("an older object's", lambda raw: raw["metadata"].pop("ownerReferences")),
        ("a filter of someone's", lambda raw: raw["spec"]["rules"][0].update(filters=[{}])),
    ],
)
def test_the_route_is_not_taken_up_when(sentence: str, spoil: Callable[[dict[str, Any]], Any]):
    raw = served(wanted())
    spoil(raw)

    assert not taken_up(raw), sentence
    assert route.explain(route.read_route(raw, "me"), "leeboard-system/leeboard")


def test_v1_requests_match_though_their_verb_follows_a_colon():
    paths = [match["path"]["value"] for match in wanted()["spec"]["rules"][0]["matches"]]

    assert "/v1/models/flights:predict" in paths
    assert "/v2/models/flights" in paths


def test_the_default_host_name_is_name_namespace_domain():
    assert wanted()["spec"]["hostnames"] == ["flights.air.models.local"]
    assert wanted(routing={"hostnames": ["a.example.com"]})["spec"]["hostnames"] == ["a.example.com"]
