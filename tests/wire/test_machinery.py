"""The machinery of all kinds against a real API server: watches, queue, store, status, steps."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from leeboard.api.driftmonitor import DriftMonitor
from leeboard.api.errors import TransientError
from leeboard.app import check_served
from leeboard.control import children, kinds
from leeboard.control.client import Client
from leeboard.control.refusals import AlreadyExistsError, ConflictError, RefusedError
from leeboard.control.relist import Relister
from leeboard.control.steps import Adjust, Apply, Create, Delete, EmitEvent, Look, Step
from leeboard.control.store import Store
from leeboard.control.world import World
from tests.support.bench import Bench, PlayedLoop, monitor, now, path

RAY = "ray.io/v1"
GATEWAY = "gateway.networking.k8s.io/v1"


def child(owner: DriftMonitor, kind: str, api: str, spec: dict[str, Any], name: str = "flights") -> dict[str, Any]:
    labels = children.labels("flights")
    metadata = children.metadata(name, "DriftMonitor", owner.metadata, labels)
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec}


def job(owner: DriftMonitor, name: str = "flights-drift-1") -> dict[str, Any]:
    return child(owner, "RayJob", RAY, {"entrypoint": "leeboard-worker drift"}, name)


def route(owner: DriftMonitor, weight: int = 100, hostname: str | None = None) -> dict[str, Any]:
    backend = {"name": "arm", "port": 80, "weight": weight}
    spec: dict[str, Any] = {"parentRefs": [{"name": "gateway"}], "rules": [{"backendRefs": [backend]}]}
    if hostname:
        spec["hostnames"] = [hostname]
    return child(owner, "HTTPRoute", GATEWAY, spec)


def always(make: Callable[[DriftMonitor], Step]) -> Callable[[DriftMonitor, World], tuple[Step, ...]]:
    return lambda subject, _world: (make(subject),)


async def ready(bench: Bench, name: str = "flights") -> bool:
    status = (await bench.read(name)).get("status") or {}
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in status.get("conditions", []))


async def test_writes_status_for_objects_that_were_there_and_for_new_ones(bench: Bench) -> None:
    await bench.create(monitor(bench.namespace, "before"))
    async with bench.operator(PlayedLoop()):
        await bench.until(lambda: ready(bench, "before"), "the status of the one that was there")
        await bench.create(monitor(bench.namespace, "after"))
        await bench.until(lambda: ready(bench, "after"), "the status of the new one")


async def test_puts_no_finalizer_and_no_annotation_on_objects(bench: Bench) -> None:
    await bench.create(monitor(bench.namespace))
    async with bench.operator(PlayedLoop()):
        await bench.until(lambda: ready(bench), "the status")
        metadata = (await bench.read())["metadata"]
    assert "finalizers" not in metadata
    assert "annotations" not in metadata


async def test_writes_nothing_when_nothing_happens(bench: Bench) -> None:
    await bench.create(monitor(bench.namespace))
    loop = PlayedLoop(steps=always(lambda subject: Apply(route(subject))), look=Look(0.05))
    async with bench.operator(loop):
        await bench.until(lambda: len(loop.passes) >= 3, "the first passes")
        settled = now()
        await bench.until(lambda: len(loop.passes) >= 30, "many more passes")
        assert not bench.writes(settled)
    assert len(bench.writes()) == 2  # the route and the status


async def test_its_own_status_writes_bring_no_further_pass(bench: Bench) -> None:
    await bench.create(monitor(bench.namespace, "other"))
    loop = PlayedLoop()
    async with bench.operator(loop):
        await bench.until(lambda: ready(bench, "other"), "the status")
        await bench.create(monitor(bench.namespace, "flights"))
        await bench.until(lambda: ready(bench), "the status of the other")
        await bench.until(lambda: loop.passes.count("flights") >= 1, "its pass")
    # Both name the same model, so that each looks again after the other's change; but not after its own.
    assert loop.passes.count("flights") <= 3


async def test_a_change_of_spec_brings_a_pass(bench: Bench) -> None:
    await bench.create(monitor(bench.namespace))
    async with bench.operator(PlayedLoop()):
        await bench.until(lambda: ready(bench), "the status")
        await bench.patch(f"{path(bench.namespace)}/flights", {"spec": {"suspend": True}})

        async def observed() -> bool:
            return bool((await bench.read())["status"]["observedGeneration"] == 2)

        await bench.until(observed, "the new generation to be observed")


async def test_a_change_of_a_child_brings_a_pass_of_its_owner(bench: Bench) -> None:
    await bench.create(monitor(bench.namespace))
    loop = PlayedLoop(steps=always(lambda subject: Create(job(subject))))
    async with bench.operator(loop):
        await bench.until(lambda: ready(bench), "the status")
        passes = len(loop.passes)
        where = f"{path(bench.namespace, 'rayjobs', RAY)}/flights-drift-1/status"
        await bench.patch(where, {"status": {"jobDeploymentStatus": "Running"}})
        await bench.until(lambda: len(loop.passes) > passes, "a pass")


async def test_a_conflict_ends_the_pass_and_the_next_one_sees_what_the_other_wrote(bench: Bench) -> None:
    await bench.create(monitor(bench.namespace))
    disturbed: list[str] = []

    async def disturb(subject: DriftMonitor, _world: World) -> None:
        if not disturbed:
            disturbed.append(subject.metadata.resource_version)
            await bench.patch(f"{path(bench.namespace)}/flights", {"metadata": {"labels": {"team": "ours"}}})

    loop = PlayedLoop(before_deciding=disturb)
    async with bench.operator(loop):
        await bench.until(lambda: ready(bench), "the status after the conflict")
    assert len(loop.passes) >= 2
    refused = [event for event in bench.writes() if event["responseStatus"]["code"] == 409]
    assert len(refused) == 1


async def test_a_child_is_made_once_however_many_passes(bench: Bench) -> None:
    await bench.create(monitor(bench.namespace))
    loop = PlayedLoop(steps=always(lambda subject: Create(job(subject))), look=Look(0.05))
    async with bench.operator(loop):
        await bench.until(lambda: len(loop.passes) >= 5, "five passes")
    created = [event for event in bench.writes() if event["verb"] == "create"]
    assert len(created) == 1


async def test_a_child_of_an_older_namesake_is_left_alone(bench: Bench) -> None:
    await bench.create(monitor(bench.namespace))
    stranger = DriftMonitor.model_validate(await bench.read()).model_copy(deep=True)
    old = job(stranger)
    old["metadata"]["ownerReferences"][0]["uid"] = "00000000-0000-0000-0000-000000000000"
    del old["metadata"]["ownerReferences"]  # the garbage collector would take it
    await bench.create(old, "rayjobs", RAY)
    loop = PlayedLoop(steps=always(lambda subject: Create(job(subject))))
    async with bench.operator(loop):
        await bench.until(lambda: loop.outcomes, "an outcome")
    failure = loop.outcomes[0].failure
    assert failure is not None
    assert failure.transient
    assert "belongs to another object" in failure.message


async def test_a_route_that_is_not_ours_is_never_taken_over(bench: Bench) -> None:
    await bench.create(monitor(bench.namespace))
    foreign = route(DriftMonitor.model_validate(await bench.read()), weight=7)
    del foreign["metadata"]["labels"], foreign["metadata"]["ownerReferences"]
    await bench.create(foreign, "httproutes", GATEWAY)
    loop = PlayedLoop(steps=always(lambda subject: Apply(route(subject))))
    async with bench.operator(loop):
        await bench.until(lambda: loop.outcomes, "an outcome")
        live = await bench.read("flights", "httproutes", GATEWAY)
    assert loop.outcomes[0].failure is not None
    assert live["spec"]["rules"][0]["backendRefs"][0]["weight"] == 7


async def test_what_someone_changed_in_a_route_is_put_back(bench: Bench) -> None:
    await bench.create(monitor(bench.namespace))
    loop = PlayedLoop(steps=always(lambda subject: Apply(route(subject, weight=25))))
    where = f"{path(bench.namespace, 'httproutes', GATEWAY)}/flights"

    async def weight() -> Any:
        live = await bench.read("flights", "httproutes", GATEWAY)
        return live.get("spec", {}).get("rules", [{}])[0].get("backendRefs", [{}])[0].get("weight")

    async def is_ours() -> bool:
        return await weight() == 25

    async with bench.operator(loop):
        await bench.until(is_ours, "the route")
        backend = {"name": "arm", "port": 80, "weight": 99}
        await bench.patch(where, {"spec": {"rules": [{"backendRefs": [backend]}]}})
        await bench.until(is_ours, "the route to be put back")


async def test_what_is_left_out_of_a_manifest_goes(bench: Bench) -> None:
    await bench.create(monitor(bench.namespace))
    hostnames: list[str | None] = ["flights.example"]
    loop = PlayedLoop(steps=always(lambda subject: Apply(route(subject, hostname=hostnames[0]))), look=Look(0.05))

    async def named() -> bool:
        return (await bench.read("flights", "httproutes", GATEWAY)).get("spec", {}).get("hostnames") == hostnames

    async def nameless() -> bool:
        return "hostnames" not in (await bench.read("flights", "httproutes", GATEWAY))["spec"]

    async with bench.operator(loop):
        await bench.until(named, "the host name")
        hostnames[0] = None
        await bench.until(nameless, "the host name to go")


async def test_equal_events_are_written_once_even_by_two_operators(bench: Bench) -> None:
    await bench.create(monitor(bench.namespace))
    for _ in range(2):
        loop = PlayedLoop(steps=always(lambda _: EmitEvent("Warning", "DriftFound", "it drifts")), look=Look(0.05))
        async with bench.operator(loop):
            await bench.until(lambda loop=loop: len(loop.passes) >= 3, "three passes")
    answer = await bench.person.get(path(bench.namespace, "events", "events.k8s.io/v1"))
    found = [(event["reason"], event["regarding"]["name"]) for event in answer.json()["items"]]
    assert found == [("DriftFound", "flights")]


async def test_deletes_only_the_child_that_was_meant(bench: Bench, client: Client) -> None:
    owner = DriftMonitor.model_validate(await bench.create(monitor(bench.namespace)))
    made = await client.create(job(owner))
    await client.delete("RayJob", bench.namespace, "flights-drift-1", "00000000-0000-0000-0000-000000000000")
    assert await client.get("RayJob", bench.namespace, "flights-drift-1") is not None
    await client.delete("RayJob", bench.namespace, "flights-drift-1", made["metadata"]["uid"])
    assert await client.get("RayJob", bench.namespace, "flights-drift-1") is None
    await client.delete("RayJob", bench.namespace, "flights-drift-1", made["metadata"]["uid"])


async def test_a_child_can_be_deleted_and_made_again_by_plans(bench: Bench) -> None:
    await bench.create(monitor(bench.namespace))

    def steps(subject: DriftMonitor, world: World) -> tuple[Step, ...]:
        found = world.store.owned(subject.metadata.uid, "RayJob")
        if found:
            return (Delete("RayJob", found[0]["metadata"]["name"], found[0]["metadata"]["uid"]),)
        return (Create(job(subject)),)

    loop = PlayedLoop(steps=steps, look=Look(0.05))
    async with bench.operator(loop):
        await bench.until(lambda: len(loop.passes) >= 6, "six passes")
    assert all(outcome.ok for outcome in loop.outcomes)


async def test_scales_an_arm_without_touching_its_metadata(bench: Bench) -> None:
    await bench.create(monitor(bench.namespace))
    predictor = {"minReplicas": 1, "maxReplicas": 1, "model": {"modelFormat": {"name": "mlflow"}}}
    transformer = {"minReplicas": 1, "maxReplicas": 1, "containers": [{"name": "kserve-container", "image": "x"}]}
    spec = {"predictor": predictor, "transformer": transformer}

    def steps(subject: DriftMonitor, _world: World) -> tuple[Step, ...]:
        arm = child(subject, "InferenceService", "serving.kserve.io/v1beta1", spec, "arm")
        return (Create(arm), Adjust("arm", 2, 3))

    loop = PlayedLoop(steps=steps, look=Look(0.05))
    async with bench.operator(loop):
        await bench.until(lambda: len(loop.passes) >= 3, "three passes")
        arm = await bench.read("arm", "inferenceservices", "serving.kserve.io/v1beta1")
    assert arm["spec"]["predictor"]["maxReplicas"] == 3
    assert (
        arm["spec"]["predictor"]["model"] == {"modelFormat": {"name": "mlflow"}, "name": ""}
        or arm["spec"]["predictor"]["model"]["modelFormat"]
    )
    scaled = [
        event for event in bench.writes() if event["verb"] == "patch" and "inferenceservices" in event["requestURI"]
    ]
    assert len(scaled) == 1


async def test_goes_on_after_the_api_server_was_away_and_answers_its_watch_410_gone(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "kopf._cogs.clients.watching")
    await bench.create(monitor(bench.namespace))
    loop = PlayedLoop()
    async with bench.operator(loop):
        await bench.until(lambda: ready(bench), "the status")
        # What the watch has seen last becomes older than all that a new API server remembers.
        for number in range(3):
            unwatched = {"kind": "ConfigMap", "metadata": {"name": f"c-{number}", "namespace": bench.namespace}}
            answer = await bench.person.post(f"/api/v1/namespaces/{bench.namespace}/configmaps", json=unwatched)
            assert answer.is_success, answer.text
        await bench.plane.restart_api_server()
        gone = "Restarting the watch-stream for driftmonitors"
        await bench.until(lambda: gone in caplog.text, "the watch to be answered 410 Gone", within=60)
        await bench.patch(f"{path(bench.namespace)}/flights", {"spec": {"suspend": True}})
        passes = len(loop.passes)

        async def observed() -> bool:
            return bool((await bench.read())["status"]["observedGeneration"] == 2)

        await bench.until(observed, "the change to be observed", within=60)
        assert len(loop.passes) >= passes


async def test_a_listing_finds_what_a_broken_watch_missed(bench: Bench, client: Client) -> None:
    owner = DriftMonitor.model_validate(await bench.create(monitor(bench.namespace)))
    await client.create(job(owner, "gone"))
    looked: list[str] = []
    store = Store(lambda ref: looked.append(ref.name))
    relister = Relister(client, store, bench.settings())  # and no watch at all
    await relister.fill()
    gone = store.get("RayJob", bench.namespace, "gone")
    assert gone is not None
    await client.delete("RayJob", bench.namespace, "gone", gone["metadata"]["uid"])
    looked.clear()

    await relister.check("RayJob", patience=0.1)
    assert store.owned(owner.metadata.uid, "RayJob") == []
    assert looked == ["flights"]
    assert relister.dead == []

    await client.create(job(owner, "unseen"))
    await relister.check("RayJob", patience=0.1)
    assert store.get("RayJob", bench.namespace, "unseen") is not None
    assert relister.dead == ["RayJob"]

    await relister.check("RayJob", patience=0.1)
    assert relister.dead == []


async def test_listings_come_page_by_page_and_by_label(
    bench: Bench, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leeboard.control.client._PAGE", 2)
    owner = DriftMonitor.model_validate(await bench.create(monitor(bench.namespace)))
    for number in range(5):
        await client.create(job(owner, f"job-{number}"))
    foreign = job(owner, "foreign")
    del foreign["metadata"]["labels"]
    await bench.create(foreign, "rayjobs", RAY)
    listing = await client.list("RayJob", bench.namespace)
    assert listing is not None
    assert sorted(raw["metadata"]["name"] for raw in listing.objects) == [f"job-{number}" for number in range(5)]
    assert {raw["kind"] for raw in listing.objects} == {"RayJob"}


async def test_the_api_servers_refusals_are_told_apart(bench: Bench, client: Client) -> None:
    made = await client.create(monitor(bench.namespace))
    with pytest.raises(AlreadyExistsError):
        await client.create(monitor(bench.namespace))
    await bench.patch(f"{path(bench.namespace)}/flights", {"metadata": {"labels": {"team": "ours"}}})
    with pytest.raises(ConflictError):
        await client.replace_status(made, {"conditions": []})
    with pytest.raises(RefusedError, match="spec"):
        await client.create(monitor(bench.namespace, "odd") | {"spec": {"nonsense": True}})
    with pytest.raises(RefusedError, match="not found"):
        await client.create(monitor("nowhere"))


async def test_an_unknown_kind_is_a_sentence_that_says_what_to_install(
    bench: Bench, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = kinds.Kind("RayJob", "absent.example", "v1", "rayjobs", "KubeRay, version 1.6 or newer")
    monkeypatch.setitem(kinds.KINDS, "RayJob", absent)
    assert await client.list("RayJob", bench.namespace) is None
    with pytest.raises(TransientError, match="install KubeRay"):
        await client.create({"kind": "RayJob", "metadata": {"namespace": bench.namespace, "name": "x"}})


async def test_an_api_server_that_is_away_is_a_sentence(bench: Bench, client: Client) -> None:
    await bench.plane.stop_api_server()
    try:
        with pytest.raises(TransientError, match="does not answer"):
            await client.get("RayJob", bench.namespace, "x")
    finally:
        await bench.plane.start_api_server()


async def test_the_crds_that_are_served_hold_every_field_of_status(client: Client) -> None:
    assert await check_served(client)


async def test_tells_prometheus_and_the_kubelet_how_it_is(bench: Bench) -> None:
    await bench.create(monitor(bench.namespace))
    settings = bench.settings()
    bench.settings = lambda **_: settings  # type: ignore[method-assign]
    async with bench.operator(PlayedLoop()), httpx.AsyncClient(trust_env=False) as web:
        await bench.until(lambda: ready(bench), "the status")
        health = await web.get(f"http://127.0.0.1:{settings.health_port}/healthz")
        metrics = (await web.get(f"http://127.0.0.1:{settings.metrics_port}/metrics")).text
    assert health.json() == {"watches": "alive"}
    assert 'leeboard_condition{kind="DriftMonitor"' in metrics
    assert 'leeboard_pass_seconds_count{kind="DriftMonitor"}' in metrics


async def test_a_dead_watch_fails_the_health_probe(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Relister, "dead", ["RayJob"])
    await bench.create(monitor(bench.namespace))
    settings = bench.settings()
    bench.settings = lambda **_: settings  # type: ignore[method-assign]
    async with bench.operator(PlayedLoop()), httpx.AsyncClient(trust_env=False) as web:
        await bench.until(lambda: ready(bench), "the status")
        health = await web.get(f"http://127.0.0.1:{settings.health_port}/healthz")
    assert health.status_code == httpx.codes.INTERNAL_SERVER_ERROR
