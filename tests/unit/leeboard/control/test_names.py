import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leeboard.api.errors import SpecError
from leeboard.control import names

OBJECTS = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
KSERVE_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


@given(OBJECTS, st.integers(1, 40), st.integers(1, 999_999_999))
def test_an_arms_name_is_one_that_kserve_can_bear(name: str, length: int, version: int):
    namespace = "n" * length
    try:
        arm = names.arm(namespace, name, str(version), {"template": 1})
    except SpecError:
        assert length > 50 - len(f"-v{version}-123456") - 1
        return
    assert len(arm) <= 46
    assert len(arm) + length <= 50
    assert KSERVE_NAME.fullmatch(arm)


@given(OBJECTS, st.sampled_from(["fit", "drift", "retrain"]), st.text())
def test_a_jobs_name_is_one_that_kuberay_can_bear(owner: str, purpose: str, identity: str):
    job = names.ray_job(owner, purpose, identity)
    assert len(job) <= 47
    assert KSERVE_NAME.fullmatch(job)
    assert re.search(rf"-{purpose}-[0-9a-f]{{10}}$", job)


def test_names_read_as_what_they_are():
    assert re.fullmatch(r"flights-v7-[0-9a-f]{6}", names.arm("default", "flights", "7", "template"))
    assert re.fullmatch(r"flights-drift-[0-9a-f]{10}", names.ray_job("flights", "drift", "hash", 0))
    assert re.fullmatch(r"leeboard-mlflow-0-1-0-[0-9a-f]{6}", names.runtime("0.1.0", "serving:0.1.0"))
    assert names.runtime("0.2.0.dev3+g12AB", "x").startswith("leeboard-mlflow-0-2-0-dev3-g12ab-")
    assert names.transformer_host("flights-v7-abc123", "ml") == "flights-v7-abc123-transformer.ml.svc.cluster.local"


def test_the_hash_survives_when_the_name_is_cut_and_tells_long_namesakes_apart():
    one, other = (names.arm("default", "a" * 60 + end, "7") for end in ("b", "c"))
    assert one != other
    assert re.search(r"-v7-[0-9a-f]{6}$", one)


def test_the_same_arm_has_the_same_name_and_another_template_another():
    assert names.arm("ns", "m", "1", {"cpu": 1}) == names.arm("ns", "m", "1", {"cpu": 1})
    assert names.arm("ns", "m", "1", {"cpu": 1}) != names.arm("ns", "m", "1", {"cpu": 2})


def test_a_namespace_that_leaves_no_room_is_refused_with_a_length_that_fits():
    with pytest.raises(SpecError, match="at most 39 characters") as refused:
        names.arm("n" * 45, "flights", "7")
    assert refused.value.reason == "NamespaceTooLong"
    assert names.arm("n" * 39, "flights", "7")


def test_an_attempt_makes_another_job():
    assert names.ray_job("flights", "drift", "hash", 0) != names.ray_job("flights", "drift", "hash", 1)


def test_label_values_are_cut_with_a_hash():
    long = "x" * 64
    assert names.label_value("flights") == "flights"
    assert len(names.label_value(long)) == 63
    assert names.label_value(long) != names.label_value(long + "y")
