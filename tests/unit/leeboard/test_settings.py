import pytest

from leeboard.settings import Settings


def test_each_field_is_an_environment_variable():
    settings = Settings.from_environment(
        {
            "LEEBOARD_TRACKING_URI": "http://mlflow:5000",
            "LEEBOARD_NAMESPACES": "team-a, team-b",
            "LEEBOARD_CLUSTER_SELECTOR": "ray.io/cluster=pool",
            "LEEBOARD_MODEL_PREFIXES": "team-a=fraud-|risk-, team-b=flights, nobody=",
            "LEEBOARD_PULL_SECRETS": "registry, mirror",
            "LEEBOARD_MAX_PASSES": "3",
            "LEEBOARD_COLLECTOR_URL": "",
            "HOME": "/root",
        }
    )
    assert settings.tracking_uri == "http://mlflow:5000"
    assert settings.namespaces == ("team-a", "team-b")
    assert settings.cluster_selector == {"ray.io/cluster": "pool"}
    assert settings.model_prefixes == {"team-a": ("fraud-", "risk-"), "team-b": ("flights",), "nobody": ()}
    assert not settings.may_serve("nobody", "flights")
    assert settings.pull_secrets == ("registry", "mirror")
    assert settings.max_passes == 3
    assert settings.collector_url is None


def test_an_empty_environment_is_enough():
    assert Settings.from_environment({}) == Settings()


def test_variables_are_passed_on_by_name():
    environment = {
        "LEEBOARD_PASSED_ENVIRONMENT": "MLFLOW_S3_ENDPOINT_URL, ABSENT",
        "MLFLOW_S3_ENDPOINT_URL": "http://s3",
    }
    assert Settings.from_environment(environment).passed_environment == {"MLFLOW_S3_ENDPOINT_URL": "http://s3"}


@pytest.mark.parametrize("value", ["$(reboot)", "`reboot`", "a$b"])
def test_what_a_jobs_shell_would_run_is_not_passed_on(value: str):
    with pytest.raises(ValueError, match=r"LEEBOARD_PASSED_ENVIRONMENT: .*TOKEN holds"):
        Settings.from_environment({"LEEBOARD_PASSED_ENVIRONMENT": "TOKEN", "TOKEN": value})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LEEBOARD_MAX_PASSES", "many"),
        ("LEEBOARD_TRACKING_URI", "mlflow"),
        ("LEEBOARD_CLUSTER_SELECTOR", "pool"),
        ("LEEBOARD_LOG_LEVEL", "loud"),
        ("LEEBOARD_PULL_POLICY", "Sometimes"),
        ("LEEBOARD_TRACKING_URI", "http://mlflow/$(reboot)"),
    ],
)
def test_a_variable_that_cannot_be_read_is_named(variable: str, value: str):
    with pytest.raises(ValueError, match=f"settings in the environment are wrong: {variable}"):
        Settings.from_environment({variable: value})


def test_a_namespace_may_name_only_what_its_prefixes_allow():
    settings = Settings(model_prefixes={"team-a": ("fraud-",), "nobody": ()})
    assert settings.may_serve("team-a", "fraud-cards")
    assert not settings.may_serve("team-a", "flights")
    assert not settings.may_serve("nobody", "flights")
    assert settings.may_serve("team-b", "flights")
