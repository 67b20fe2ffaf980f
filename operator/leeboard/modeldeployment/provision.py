"""What an arm needs before it can be made, and making it: files, detector, runtime, a name that is free. Pure."""

from dataclasses import dataclass

from leeboard.api.errors import SpecError
from leeboard.api.modeldeployment import JobUnderWay
from leeboard.control.conditions import RECONCILING, STALLED
from leeboard.control.steps import Create, Step
from leeboard.modeldeployment import detector, manifests
from leeboard.modeldeployment.detector import Need
from leeboard.modeldeployment.view import Standing, View

_LOOK = 10.0
_REGISTRY_LOOK = 5.0


@dataclass(frozen=True)
class Provision:
    """What an arm still waits for; nothing: it is there."""

    standing: Standing | None = None
    steps: tuple[Step, ...] = ()
    job: JobUnderWay | None = None
    """The detector's job as it stands in status from now on."""
    look: float | None = None

    @property
    def failed(self) -> bool:
        """Whether there will be no detector, so no arm."""
        return self.standing is not None and self.standing.reason == Need.FAILED.value


def provide(view: View, version: str, arm: str) -> Provision:
    """Say what an arm waits for, and take the next steps towards it."""
    found = view.seen.arms.get(arm)
    if found is not None:
        if found.usable:
            return Provision()
        message = f"the InferenceService {arm} belongs to an older object or is being deleted: it must go first"
        return Provision(_waiting("ChildNotOurs", message), job=view.status.detector_job, look=_LOOK)
    if not view.seen.registry.answers:
        problem = view.seen.registry
        return Provision(_waiting(problem.reason, problem.problem), job=view.status.detector_job, look=_REGISTRY_LOOK)
    uri = view.seen.uris.get(version)
    if uri is None:
        model = view.subject.spec.model.name
        message = f"version {version} of {model} is no longer in the registry, so its arm cannot be made again"
        return Provision(Standing(STALLED, "VersionNotFound", message), look=_LOOK)
    try:
        manifests.check_storage(uri)
    except SpecError as error:
        return Provision(Standing(STALLED, error.reason, str(error)), look=_LOOK)
    return _with_detector(view, version, uri)


def _with_detector(view: View, version: str, uri: str) -> Provision:
    found = detector.provide(view.seen, view.status, version)
    if found.need in {Need.LACKING, Need.FAILED}:
        return Provision(Standing(STALLED, found.need.value, found.message), job=found.job, look=found.look)
    if found.need is Need.FITTING:
        return Provision(_waiting("FittingDetector", found.message), tuple(found.steps), found.job, found.look)
    seen, subject = view.seen, view.subject
    steps: list[Step] = []
    if subject.spec.serving.runtime == manifests.OWN_RUNTIME and not seen.runtime_exists:
        steps.append(Create(manifests.serving_runtime(subject.metadata.namespace, view.runtime, seen.settings)))
    service = manifests.inference_service(
        subject, version, uri=uri, detector_uri=found.uri, settings=seen.settings, runtime=view.runtime
    )
    steps.append(Create(service))
    message = f"the InferenceService {service['metadata']['name']} is made"
    return Provision(_waiting("Preparing", message), tuple(steps), look=_LOOK)


def _waiting(reason: str, message: str) -> Standing:
    return Standing(RECONCILING, reason, message)
