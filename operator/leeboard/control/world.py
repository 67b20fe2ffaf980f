"""What a pass may look at: the objects, the neighbours, the clock. Protocols, so that tests bring their own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from leeboard.api.modeldeployment import RegistryWrite
from leeboard.api.retrainpolicy import FiredTrigger
from leeboard.contract.registry import RegisteredModel, ReportedRun, Row
from leeboard.contract.serving import TableState
from leeboard.control.clock import Clock
from leeboard.control.listing import Listing, Manifest
from leeboard.control.ref import Ref
from leeboard.settings import Settings
from leeboard.telemetry import Telemetry


class Objects(Protocol):
    """The latest objects by kind, namespace and name; filled before the first pass. What it returns is not changed."""

    def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """Return the object, or None."""

    def owned(self, owner_uid: str, kind: str) -> list[Manifest]:
        """Return the objects of a kind that the owner references point to, by name.

        Arms, routes and jobs are owned by our objects; an arm's Deployments by its InferenceService.
        """

    def referring(self, kind: str, namespace: str, model_deployment: str) -> list[Manifest]:
        """Return the DriftMonitors or RetrainPolicies whose `modelDeploymentRef` names it, by name."""

    def list(self, kind: str, namespace: str | None = None) -> list[Manifest]:
        """Return all objects of a kind, of one namespace or of all that are watched, by namespace and name."""

    def put(self, raw: Manifest, by: Ref | None = None) -> bool:
        """Take up what the API server told, unless newer is known; say whether anything changed.

        All objects of ours that it concerns are looked at again, except the one whose pass wrote it (`by`).
        """

    def drop(self, raw: Manifest, by: Ref | None = None) -> bool:
        """Forget an object, if it is the one with this uid; say whether anything changed."""

    def serves(self, kind: str) -> bool:
        """Say whether the API server knows the kind (a neighbour's CRD may be missing)."""


class KubernetesClient(Protocol):
    """The API server. Errors are TransientError, except where said; kinds are those of `control/kinds.py`."""

    async def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """Return the object as it now stands, or None."""

    async def list(self, kind: str, namespace: str | None = None) -> Listing | None:
        """Return all objects of a kind, page by page; None when the API server does not know the kind."""

    async def pods(self, namespace: str, selector: str) -> Sequence[Manifest]:
        """Return some pods with these labels, at most 20."""

    async def apply(self, manifest: Manifest) -> Manifest:
        """Server-side apply under the field manager `leeboard`, and return what then stands."""

    async def create(self, manifest: Manifest) -> Manifest:
        """Create the object. Raises AlreadyExistsError."""

    async def patch(self, kind: str, namespace: str, name: str, patch: Manifest) -> Manifest:
        """Merge a patch into an object."""

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        """Delete exactly the object with this uid; absence is success."""

    async def replace_status(self, raw: Manifest, status: Manifest) -> Manifest:
        """Write the whole status under the resourceVersion of `raw`. Raises ConflictError."""


class Registry(Protocol):
    """The model registry. All raise TransientError when it is away."""

    async def model(self, name: str) -> RegisteredModel | None:
        """Return the model as of the last listing (at most `registry_poll_seconds` old); None: no such model."""

    async def refresh(self, name: str) -> RegisteredModel | None:
        """Return the model as it stands now."""

    async def download_uri(self, name: str, version: str) -> str:
        """Return the URI from which the version's files are fetched."""

    async def input_example(self, name: str, version: str) -> list[Row]:
        """Return one or a few rows that the version can answer: its input example, else made from its signature.

        Empty when the version has neither.
        """

    async def write(self, name: str, write: RegistryWrite) -> RegisteredModel | None:
        """Make one write, one at a time per model, and return the model as read again."""

    async def claim(self, name: str, alias: str, owner: str) -> RegisteredModel | None:
        """Record the owner of an alias on the model, unless someone else is recorded, and return the model."""

    async def report(self, experiment: str, request_hash: str, kind: str) -> ReportedRun | None:
        """Return the finished run that answers a request (kind: fit-detector, drift, retrain); None: not yet."""

    async def fired(self, experiment: str, policy: str) -> list[FiredTrigger]:
        """Return the facts that have started runs of a RetrainPolicy (`namespace/name`), newest first: the ledger."""

    async def keep_runs(self, experiment: str, subject: str, keep: int, episodes: Mapping[str, str]) -> None:
        """Mark the runs of a DriftMonitor (`namespace/name`) that speak for episodes, and delete the oldest others.

        Args:
            experiment: Where they lie.
            subject: The DriftMonitor.
            keep: So many are kept, the newest; those of episodes stay in any case.
            episodes: Episode by run id.
        """


class Metrics(Protocol):
    """Prometheus."""

    async def query(self, promql: str) -> float | None:
        """Return the one number that a query answers; None: no data, or not a number. Raises TransientError."""


class Collector(Protocol):
    """The collector of predictions and labels."""

    async def table_state(self, namespace: str, model_deployment: str) -> TableState | None:
        """Return where the log lies and how much it holds; None: nothing was logged yet. Raises TransientError."""


class Arms(Protocol):
    """The arms themselves."""

    async def predict(self, address: str, model: str, protocol: str, rows: Sequence[Row]) -> str | None:
        """Ask for one real prediction (`protocol`: v1 or v2; `address`: http://host[:port]).

        Returns:
            None when every row was answered, else what is wrong with the answer, in a sentence.

        Raises:
            TransientError: Nobody answers.
        """


class Events(Protocol):
    """Events on objects."""

    async def emit(self, regarding: Manifest, kind: str, reason: str, message: str) -> None:
        """Write an Event (`kind`: Normal or Warning) unless an equal one was written lately. Never raises."""


@dataclass(frozen=True)
class World:
    """Everything that a pass may look at or write to."""

    client: KubernetesClient
    store: Objects
    registry: Registry
    metrics: Metrics
    collector: Collector
    arms: Arms
    clock: Clock
    settings: Settings
    telemetry: Telemetry
    events: Events
