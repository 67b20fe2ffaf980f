"""Checks of whether anything may begin or advance: not suspended, a spec that can be, a registry that answers. Pure."""

from collections.abc import Mapping

from leeboard.api.base import seconds
from leeboard.api.modeldeployment import RolloutPhase
from leeboard.contract import tags
from leeboard.control.conditions import READY, RECONCILING, STALLED
from leeboard.control.steps import ClaimAlias
from leeboard.modeldeployment.facts import SUSPENDED
from leeboard.modeldeployment.view import Decision, Standing, View

_LOOK = 30.0
_SOON = 5.0
_WITH_TRAFFIC = (RolloutPhase.STAGES, RolloutPhase.PROMOTING, RolloutPhase.BAKING)


def _stalled(view: View, reason: str, message: str) -> Decision:
    return Decision(view.status, Standing(STALLED, reason, message), look=_LOOK)


def check_suspended(view: View) -> Decision | None:
    """A person suspended it."""
    if not view.subject.spec.suspend:
        return None
    message = "suspended: nothing starts and nothing advances, rollback goes on; set spec.suspend: false to go on"
    idle = view.rollout is None and view.wish is None and view.status.stable is not None
    return Decision(view.status, Standing(READY if idle else RECONCILING, SUSPENDED, message), look=_LOOK)


def check_spec(view: View) -> Decision | None:
    """The spec asks for what cannot be, and the schema could not see it."""
    spec, metadata = view.subject.spec, view.subject.metadata
    if not view.seen.settings.may_serve(metadata.namespace, spec.model.name):
        return _stalled(
            view,
            "ModelNotAllowed",
            f"the namespace {metadata.namespace} may not serve {spec.model.name}: ask for its prefix in the operator's "
            "setting LEEBOARD_MODEL_PREFIXES, or name another model",
        )
    if spec.rollout.longest_hold() >= seconds(spec.rollout.progress_deadline):
        return _stalled(
            view,
            "DeadlineTooShort",
            f"spec.rollout.progressDeadline ({spec.rollout.progress_deadline}) must be longer than the longest hold",
        )
    shadows = [stage.name for stage in spec.rollout.stages if stage.shadow is not None]
    if shadows and (view.seen.settings.collector_url is None or spec.logging.sample_percent == 0):
        return _stalled(
            view,
            "NoPredictionLog",
            f"the stage {shadows[0]} compares logged answers, and nothing is logged: set LEEBOARD_COLLECTOR_URL of the "
            "operator and spec.logging.samplePercent, or remove the stage",
        )
    strangers = [metric.name for metric in spec.rollout.analysis.metrics if metric.out_of_distribution_rate]
    if strangers and spec.out_of_distribution is None:
        return _stalled(
            view,
            "NoDetector",
            f"the metric {strangers[0]} needs a detector: set spec.outOfDistribution, or remove the metric",
        )
    return None


def check_registry(view: View) -> Decision | None:
    """The registry does not answer; a rollout that has traffic goes on without it."""
    registry = view.seen.registry
    if registry.answers or view.in_phase(*_WITH_TRAFFIC):
        return None
    return Decision(view.status, Standing(RECONCILING, registry.reason, registry.problem), look=_SOON)


def check_model(view: View) -> Decision | None:
    """The registry has no such model."""
    if not view.seen.registry.answers or view.seen.registry.model is not None:
        return None
    name = view.subject.spec.model.name
    return _stalled(
        view, "ModelNotFound", f"MLflow has no registered model {name}: register it, or correct spec.model.name"
    )


def check_owner(view: View) -> Decision | None:
    """Another ModelDeployment owns an alias that this one follows, or nobody does yet."""
    source, model = view.subject.spec.model, view.seen.registry.model
    if source.version is not None or model is None:
        return None
    metadata = view.subject.metadata
    mine = f"{view.seen.settings.cluster}/{metadata.namespace}/{metadata.name}"
    followed = (source.stable_alias, source.challenger_alias)
    foreign = {alias: holder for alias in followed if (holder := model.tags.get(tags.owner(alias), mine)) != mine}
    if foreign:
        return _stalled(view, "AliasOwnedByOther", _owned(model.name, foreign))
    free = [alias for alias in followed if tags.owner(alias) not in model.tags]
    if not free:
        return None
    return Decision(
        view.status,
        Standing(RECONCILING, "ClaimingAliases", f"recording in MLflow that {mine} owns {', '.join(free)}"),
        steps=tuple(ClaimAlias(model.name, alias, mine) for alias in free),
        look=_SOON,
    )


def _owned(model: str, foreign: Mapping[str, str]) -> str:
    """Tell which aliases belong to whom, and every tag that would have to go."""
    told = " and ".join(
        f"the alias {alias} of {model} belongs to the ModelDeployment {holder} (cluster/namespace/name)"
        for alias, holder in foreign.items()
    )
    marks = " and ".join(tags.owner(alias) for alias in foreign)
    if len(foreign) == 1:
        return f"{told}: follow another alias, or, if that one is gone, remove the tag {marks} from the model"
    return f"{told}: follow other aliases, or, if their owners are gone, remove the tags {marks} from the model"
