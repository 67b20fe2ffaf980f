from __future__ import annotations

from typing import Any

from leeboard.control.listing import Listing
from leeboard.control.ref import Ref
from leeboard.control.store import Store


def thing(
    kind: str, name: str, version: int, *, owner: tuple[str, str, str] | None = None, **more: Any
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "namespace": "ml", "uid": f"uid-{name}", "resourceVersion": str(version)}
    if owner is not None:
        kind_of_owner, name_of_owner, uid = owner
        metadata["ownerReferences"] = [
            {"kind": kind_of_owner, "name": name_of_owner, "uid": uid, "controller": True, "apiVersion": "x/v1"}
        ]
    return {"kind": kind, "metadata": metadata} | more


def about(kind: str, name: str, version: int, model: str = "flights") -> dict[str, Any]:
    return thing(kind, name, version, spec={"modelDeploymentRef": {"name": model}})


MODEL = ("ModelDeployment", "flights", "uid-flights")


def told(looked: list[Ref]) -> list[str]:
    found = [f"{ref.kind}/{ref.name}" for ref in looked]
    looked.clear()
    return found


def watched() -> tuple[Store, list[Ref]]:
    looked: list[Ref] = []
    return Store(looked.append), looked


def test_the_newest_version_stands_whatever_the_order():
    store, _ = watched()
    assert store.put(thing("RayJob", "job", 7, status="new"))
    assert not store.put(thing("RayJob", "job", 6, status="old"))
    assert not store.put(thing("RayJob", "job", 7, status="again"))
    found = store.get("RayJob", "ml", "job")
    assert found is not None
    assert found["status"] == "new"


def test_finds_children_by_owner_and_follows_a_change_of_owner():
    store, _ = watched()
    store.put(thing("RayJob", "b", 1, owner=MODEL))
    store.put(thing("RayJob", "a", 2, owner=MODEL))
    store.put(thing("HTTPRoute", "a", 3, owner=MODEL))
    assert [raw["metadata"]["name"] for raw in store.owned("uid-flights", "RayJob")] == ["a", "b"]
    store.put(thing("RayJob", "a", 4, owner=("ModelDeployment", "other", "uid-other")))
    assert [raw["metadata"]["name"] for raw in store.owned("uid-flights", "RayJob")] == ["b"]
    assert [raw["metadata"]["name"] for raw in store.owned("uid-other", "RayJob")] == ["a"]


def test_finds_those_that_refer_to_a_model():
    store, _ = watched()
    store.put(about("DriftMonitor", "m", 1))
    store.put(about("RetrainPolicy", "p", 2))
    assert [raw["metadata"]["name"] for raw in store.referring("DriftMonitor", "ml", "flights")] == ["m"]
    store.put(about("DriftMonitor", "m", 3, model="other"))
    assert store.referring("DriftMonitor", "ml", "flights") == []
    store.drop(store.get("RetrainPolicy", "ml", "p"))
    assert store.referring("RetrainPolicy", "ml", "flights") == []


def test_lists_by_namespace_and_name():
    store, _ = watched()
    elsewhere = thing("RayJob", "z", 1)
    elsewhere["metadata"]["namespace"] = "a-namespace"
    for raw in (thing("RayJob", "b", 2), thing("RayJob", "a", 3), elsewhere):
        store.put(raw)
    assert [raw["metadata"]["name"] for raw in store.list("RayJob")] == ["z", "a", "b"]
    assert [raw["metadata"]["name"] for raw in store.list("RayJob", "ml")] == ["a", "b"]


def test_a_childs_change_concerns_its_owner():
    store, looked = watched()
    store.put(thing("RayJob", "job", 1, owner=("DriftMonitor", "m", "uid-m")))
    assert told(looked) == ["DriftMonitor/m"]
    store.drop(store.get("RayJob", "ml", "job"))
    assert told(looked) == ["DriftMonitor/m"]


def test_a_deployment_concerns_the_owner_of_its_arm():
    store, looked = watched()
    store.put(thing("InferenceService", "arm", 1, owner=MODEL))
    told(looked)
    store.put(thing("Deployment", "arm-predictor", 2, owner=("InferenceService", "arm", "uid-arm")))
    assert told(looked) == ["ModelDeployment/flights"]


def test_objects_about_one_model_concern_each_other():
    store, looked = watched()
    store.put(about("DriftMonitor", "m", 1))
    store.put(about("RetrainPolicy", "p", 2))
    told(looked)
    store.put(thing("ModelDeployment", "flights", 3))
    assert told(looked) == ["DriftMonitor/m", "ModelDeployment/flights", "RetrainPolicy/p"]


def test_the_pass_that_wrote_is_not_woken_by_its_own_write():
    store, looked = watched()
    store.put(about("DriftMonitor", "m", 1), by=Ref("DriftMonitor", "ml", "m"))
    assert told(looked) == ["ModelDeployment/flights"]


def test_an_older_namesake_does_not_take_the_new_one_along():
    store, _ = watched()
    store.put(thing("RayJob", "job", 5))
    older = thing("RayJob", "job", 9)
    older["metadata"]["uid"] = "uid-older"
    assert not store.drop(older)
    assert store.drop(thing("RayJob", "job", 6))


def test_a_listing_that_began_before_the_end_brings_nothing_back():
    store, _ = watched()
    job = thing("RayJob", "job", 5)
    store.put(job)
    store.drop(store.get("RayJob", "ml", "job"))
    store.replace("RayJob", Listing([job], 6))
    assert store.get("RayJob", "ml", "job") is None


def test_what_lost_its_labels_and_has_them_again_is_seen_again():
    store, _ = watched()
    store.put(thing("Deployment", "arm", 5))
    store.drop(thing("Deployment", "arm", 7))  # a watch by labels says DELETED of what still stands
    store.replace("Deployment", Listing([thing("Deployment", "arm", 6)], 6))
    assert store.get("Deployment", "ml", "arm") is None
    assert store.put(thing("Deployment", "arm", 8))
    assert store.get("Deployment", "ml", "arm") is not None


def test_an_end_is_remembered_even_of_what_was_not_known():
    store, _ = watched()
    store.drop(thing("RayJob", "job", 7))
    assert not store.put(thing("RayJob", "job", 6))


def test_a_listing_that_began_before_the_beginning_takes_nothing_away():
    store, _ = watched()
    store.put(thing("RayJob", "new", 9))
    store.replace("RayJob", Listing([], 8))
    assert store.get("RayJob", "ml", "new") is not None
    store.replace("RayJob", Listing([], 9))
    assert store.get("RayJob", "ml", "new") is None


def test_a_listing_tells_what_the_store_has_wrong():
    store, _ = watched()
    for raw in (thing("RayJob", "same", 1), thing("RayJob", "late", 2), thing("RayJob", "gone", 3)):
        store.put(raw)
    listing = Listing([thing("RayJob", "same", 1), thing("RayJob", "late", 5), thing("RayJob", "new", 6)], 7)
    assert [ref.name for ref in store.differences("RayJob", listing)] == ["gone", "late", "new"]
    store.replace("RayJob", listing)
    assert store.differences("RayJob", listing) == []


def test_knows_which_kinds_the_api_server_serves():
    store, _ = watched()
    assert not store.serves("RayJob")
    store.replace("RayJob", Listing([], 1))
    assert store.serves("RayJob")
    store.put(thing("RayJob", "job", 2))
    store.replace("RayJob", None)
    assert not store.serves("RayJob")
    assert store.list("RayJob") == []


def test_keeps_no_managed_fields():
    store, _ = watched()
    raw = thing("RayJob", "job", 1)
    raw["metadata"]["managedFields"] = [{"manager": "kubectl"}]
    store.put(raw)
    found = store.get("RayJob", "ml", "job")
    assert found is not None
    assert "managedFields" not in found["metadata"]
