"""What people ask for: `promote`, `abort`, `retry`, `retrain` are annotations; `suspend` and `resume` a field."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from leeboard.api import driftmonitor, modeldeployment, retrainpolicy
from leeboard.api.actions import ABORT, PROMOTE, RESTART, RETRAIN, RETRY, Action, parse_action, parse_token
from leeboard.api.modeldeployment import ModelDeployment, RolloutPhase
from leeboard.cli.cluster import Loop, connected, loop_of, loops, namespace_or_default
from leeboard.cli.errors import CommandError
from leeboard.cli.terminal import terminal
from leeboard.control.clock import iso

MANAGER = "kubectl-leeboard"
"""Field manager of what people ask for: not the operator's."""


def promote(name: str, namespace: str | None, version: str | None, *, full: bool) -> None:
    """Ask for the pending step of a candidate to be approved, or for all of them."""
    asyncio.run(_ask(PROMOTE, name, namespace, lambda found: version or _candidate(found), full=full))


def abort(name: str, namespace: str | None, version: str | None) -> None:
    """Ask for a rollout to be given up."""
    asyncio.run(_ask(ABORT, name, namespace, lambda found: version or _coming_in(found)))


def retry(name: str, namespace: str | None, version: str | None) -> None:
    """Ask for a rejected version to be tried again."""
    asyncio.run(_ask(RETRY, name, namespace, lambda found: version or _rejected(found)))


def restart(name: str, namespace: str | None) -> None:
    """Ask for an arm of the present images, by a rollout."""
    asyncio.run(_restart(name, namespace_or_default(namespace), iso(datetime.now(UTC))))


def retrain(name: str, namespace: str | None, token: str | None) -> None:
    """Ask for a retraining run."""
    asyncio.run(_retrain(name, namespace_or_default(namespace), token or iso(datetime.now(UTC))))


def set_suspended(name: str, namespace: str | None, parts: Sequence[str], *, suspended: bool) -> None:
    """Suspend parts of a loop, or let them go on."""
    asyncio.run(_set_suspended(name, namespace_or_default(namespace), parts, suspended=suspended))


async def _ask(
    annotation: str,
    name: str,
    namespace: str | None,
    choose: Callable[[ModelDeployment], str],
    *,
    full: bool = False,
) -> None:
    async with connected() as client:
        loop = await loop_of(client, namespace_or_default(namespace), name)
        action = Action(choose(loop.deployment), full=full, nonce=iso(datetime.now(UTC)))
        _demand(parse_action, str(action))
        patch = {"metadata": {"annotations": {annotation: str(action)}}}
        await client.patch(modeldeployment.KIND, loop.namespace, loop.name, patch, manager=MANAGER)
    verb = annotation.rpartition("/")[2]
    _say(f"asked to {verb} version {action.version} of {name}: `leeboard status {name} --watch` shows what happens")


async def _restart(name: str, namespace: str, token: str) -> None:
    async with connected() as client:
        loop = await loop_of(client, namespace, name)
        patch = {"metadata": {"annotations": {RESTART: token}}}
        await client.patch(modeldeployment.KIND, loop.namespace, loop.name, patch, manager=MANAGER)
    _say(f"asked {name} to come in anew, with the present images: `leeboard status {name} --watch` shows what happens")


async def _retrain(name: str, namespace: str, token: str) -> None:
    _demand(parse_token, token)
    async with connected() as client:
        policies = [policy for loop in await loops(client, namespace) for policy in loop.policies]
        found = [policy for policy in policies if policy.metadata.name == name] or [
            policy for policy in policies if policy.spec.model_deployment_ref.name == name
        ]
        if not found:
            raise CommandError(f"there is no RetrainPolicy {name} in {namespace}, nor one of a ModelDeployment {name}")
        policy = found[0].metadata.name
        patch = {"metadata": {"annotations": {RETRAIN: token}}}
        await client.patch(retrainpolicy.KIND, namespace, policy, patch, manager=MANAGER)
    _say(f"asked {policy} to retrain, as {token}: `leeboard status {found[0].spec.model_deployment_ref.name}` shows it")


async def _set_suspended(name: str, namespace: str, parts: Sequence[str], *, suspended: bool) -> None:
    async with connected() as client:
        loop = await loop_of(client, namespace, name)
        chosen = _objects(loop, parts)
        if not chosen:
            raise CommandError(f"{name} has no {' and no '.join(parts)}")
        for kind, each in chosen:
            await client.patch(kind, namespace, each, {"spec": {"suspend": suspended}}, manager=MANAGER)
            _say(f"{'suspended' if suspended else 'resumed'} {kind} {each}")


def _objects(loop: Loop, parts: Sequence[str]) -> list[tuple[str, str]]:
    found = {
        "deployment": [(modeldeployment.KIND, loop.name)],
        "monitor": [(driftmonitor.KIND, monitor.metadata.name) for monitor in loop.monitors],
        "policy": [(retrainpolicy.KIND, policy.metadata.name) for policy in loop.policies],
    }
    return [one for part in parts for one in found[part]]


def _candidate(deployment: ModelDeployment) -> str:
    if deployment.status.candidate is None:
        raise CommandError(f"no version of {deployment.metadata.name} is coming in: there is nothing to promote")
    return deployment.status.candidate.version


def _coming_in(deployment: ModelDeployment) -> str:
    """Return the version whose rollout is under way, which is the stable one while it bakes."""
    status = deployment.status
    if status.candidate is not None:
        return status.candidate.version
    if status.rollout is not None and status.rollout.phase is RolloutPhase.BAKING and status.stable is not None:
        return status.stable.version
    raise CommandError(f"no version of {deployment.metadata.name} is coming in: there is nothing to abort")


def _rejected(deployment: ModelDeployment) -> str:
    status = deployment.status
    versions = [entry.version for entry in status.rejected_versions] + [entry.version for entry in status.setbacks]
    if len(versions) == 1:
        return versions[0]
    if versions:
        raise CommandError(f"say which with --version: {', '.join(versions)} were rolled back")
    raise CommandError(f"no version of {deployment.metadata.name} was rolled back: there is nothing to try again")


def _demand(parse: Callable[[str], object], value: str) -> None:
    try:
        parse(value)
    except ValueError as error:
        raise CommandError(str(error)) from None


def _say(text: str) -> None:
    terminal().print(text, soft_wrap=True)
