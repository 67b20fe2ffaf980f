"""DriftMonitor: scores a window of live data at each tick, and tells drift that lasts from noise."""

from typing import Any

from leeboard.api.driftmonitor import KIND, DriftMonitor
from leeboard.control.reading import read
from leeboard.control.steps import Outcomes, Plan
from leeboard.control.world import World
from leeboard.driftmonitor.decide import decide
from leeboard.driftmonitor.observe import observe
from leeboard.driftmonitor.seen import Seen
from leeboard.driftmonitor.status import status_of


class DriftMonitorLoop:
    """What a DriftMonitor brings to the pass."""

    kind = KIND

    def parse(self, raw: dict[str, Any]) -> DriftMonitor:
        """Read the object. Raises SpecError."""
        return read(DriftMonitor, raw)

    async def observe(self, subject: DriftMonitor, world: World) -> Seen:
        """Look. Raises TransientError, SpecError."""
        return await observe(subject, world)

    def decide(self, seen: Seen) -> Plan:
        """Decide. Raises SpecError."""
        return decide(seen)

    def status_of(self, seen: Seen, plan: Plan, outcomes: Outcomes) -> dict[str, Any]:
        """Return the whole status after the steps."""
        return status_of(seen, plan, outcomes)


LOOP = DriftMonitorLoop()
