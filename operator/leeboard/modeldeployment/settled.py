"""What there is to say while no rollout is under way. Pure."""

from leeboard.control.conditions import READY, RECONCILING, STALLED
from leeboard.modeldeployment import arms, manifests, route, versions
from leeboard.modeldeployment.view import Decision, Standing, View

_LOOK = 10.0


def check_asked(view: View) -> Decision | None:
    """What is asked for is missing or was rejected."""
    model = view.seen.registry.model
    if view.rollout is not None or not view.seen.registry.answers or model is None:
        return None
    source, stable = view.subject.spec.model, view.status.stable
    asked = versions.asked_version(view.seen, view.status)
    if asked is not None and asked not in model.versions:
        message = f"{model.name} has no version {asked}: register it, or correct spec.model.version"
        return _say(view, STALLED, "VersionNotFound", message)
    if asked is not None and not model.versions[asked].ready and (stable is None or asked != stable.version):
        return _say(view, RECONCILING, "VersionNotReady", f"the registry does not call version {asked} ready yet")
    if asked is None and stable is None:
        message = f"no version of {model.name} has the alias {source.stable_alias}: set it in MLflow"
        return _say(view, RECONCILING, "NoVersion", message)
    return _check_rejected(view, asked)


def _check_rejected(view: View, asked: str | None) -> Decision | None:
    """Git, or nothing that serves, asks for what was rejected: a person must act."""
    stable, pinned = view.status.stable, view.subject.spec.model.version
    if asked is not None and (stable is None or (pinned is not None and pinned != stable.version)):
        rejected = versions.rejection(view.status, asked, manifests.arm_name(view.subject, asked))
        if rejected is not None:
            return _say(view, STALLED, "VersionRejected", _rejected(view, asked, rejected.reason, "another version"))
    if stable is None:
        return None
    wanted = manifests.arm_name(view.subject, stable.version)
    rejected = versions.rejection(view.status, stable.version, wanted)
    if rejected is None or wanted == stable.arm:
        return None
    message = _rejected(view, stable.version, rejected.reason, "another spec")
    if view.stable_outdated:
        message = (
            f"nothing serves: the InferenceService {stable.arm} is gone, and the spec before makes it again; {message}"
        )
    return _say(view, STALLED, "SpecRejected", message)


def _rejected(view: View, version: str, reason: str, other: str) -> str:
    last = view.status.last_rollout
    why = last.message if last is not None and last.version == version else ""
    said = f"version {version} was rolled back ({reason}{': ' + why if why else ''})"
    return f'{said}: ask for {other}, or try it again with the annotation leeboard.dev/retry: "{version}"'


def check_route(view: View) -> Decision | None:
    """The gateway does not follow the route."""
    if view.status.stable is None or view.routed:
        return None
    if view.weights is None:
        arm = view.arm(view.status.stable.arm)
        why = arms.explain(arm) if arm is not None and not arm.rolled_out else view.unproven(view.status.stable.arm)
        return _say(view, RECONCILING, "StableNotProven", why)
    return _say(view, RECONCILING, "RouteNotReady", route.explain(view.seen.route, view.gateway))


def check_stable(view: View) -> Decision | None:
    """Nothing of the stable version answers."""
    stable = view.status.stable
    arm = view.arm(stable.arm) if stable else None
    if arm is None or arm.available:
        return None
    return _say(view, RECONCILING, "StableUnavailable", arms.explain(arm))


def check_set_back(view: View) -> Decision | None:
    """A version was rolled back for reasons that do not speak against it, and waits to be tried again."""
    waits = [entry for entry in view.status.setbacks if versions.waits(entry, view.now)]
    if not waits:
        return None
    entry, last = waits[0], view.status.last_rollout
    why = f": {last.message}" if last is not None and last.version == entry.version else ""
    message = (
        f"version {entry.version} was rolled back ({entry.reason}{why}), which does not speak against it: it is tried "
        f"again at {entry.retry_time}, or at once by `leeboard retry {view.subject.metadata.name} --version "
        f"{entry.version}`"
    )
    return _say(view, RECONCILING, "TriedAgainLater", message)


def serving(view: View) -> Decision:
    """Everything is as desired."""
    stable, last = view.status.stable, view.status.last_rollout
    if stable is None:
        return _say(view, RECONCILING, "NoVersion", "there is no version to serve yet")
    message = f"version {stable.version} serves"
    if last is not None and last.version != stable.version:
        message += f"; version {last.version}: {last.outcome.value} ({last.reason}: {last.message})"
    return Decision(view.status, Standing(READY, "Serving", message))


def _say(view: View, condition: str, reason: str, message: str) -> Decision:
    return Decision(view.status, Standing(condition, reason, message), look=_LOOK)
