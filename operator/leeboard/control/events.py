"""Events on objects: equal ones are written once."""

import logging
import os
from collections import OrderedDict
from datetime import UTC, datetime, timedelta

from leeboard.api.errors import TransientError
from leeboard.contract.documents import short_hash
from leeboard.control.clock import Clock
from leeboard.control.conditions import cut
from leeboard.control.listing import Manifest
from leeboard.control.refusals import AlreadyExistsError, ConflictError, RefusedError
from leeboard.control.world import KubernetesClient

_COOLDOWN = timedelta(hours=1)
"""As long as the API server keeps Events by default."""
_MAX_REMEMBERED = 4096
_CONTROLLER = "leeboard.dev/operator"

logger = logging.getLogger(__name__)


class EventWriter:
    """Writes Events under names that equal ones share, so that neither a restart nor a crash doubles them.

    Args:
        client: The API server.
        clock: Tells the time.
    """

    def __init__(self, client: KubernetesClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._written: OrderedDict[str, datetime] = OrderedDict()

    async def emit(self, regarding: Manifest, kind: str, reason: str, message: str) -> None:
        """Write an Event (`kind`: Normal or Warning) unless an equal one was written in the last hour. Never raises."""
        metadata = regarding["metadata"]
        identity = short_hash(metadata.get("uid"), kind, reason, message, length=16)
        now = self._clock.now()
        if identity in self._written and now - self._written[identity] < _COOLDOWN:
            return
        name = f"{metadata['name'][:200]}.{identity}"
        try:
            await self._client.create(_event(regarding, name, now, kind=kind, reason=reason, message=message))
        except AlreadyExistsError:
            pass
        except (TransientError, ConflictError, RefusedError) as error:
            logger.warning("the Event %s was not written: %s", reason, error)
            return
        self._written[identity] = now
        self._written.move_to_end(identity)
        if len(self._written) > _MAX_REMEMBERED:
            self._written.popitem(last=False)


def _event(regarding: Manifest, name: str, now: datetime, *, kind: str, reason: str, message: str) -> Manifest:
    metadata = regarding["metadata"]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": metadata["namespace"]},
        "eventTime": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": _CONTROLLER,
        "reportingInstance": os.environ.get("HOSTNAME", "leeboard")[:128],
        "action": reason[:128],
        "reason": reason[:128],
        "type": kind,
        "note": cut(message),
        "regarding": {
            "apiVersion": regarding["apiVersion"],
            "kind": regarding["kind"],
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata.get("uid", ""),
            "resourceVersion": metadata.get("resourceVersion", ""),
        },
    }
