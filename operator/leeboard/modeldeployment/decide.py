"""Decides about a ModelDeployment: an ordered chain of small checks, of which the first that answers is heard. Pure.

Each pass makes at most one transition, and status is written between two: whoever is killed goes on from there. What
children are wanted follows from the status alone, so nothing is forgotten and nothing done twice.
"""

from collections.abc import Callable

from leeboard.control.steps import Plan
from leeboard.modeldeployment import (
    baking,
    comparison,
    facts,
    health,
    preparing,
    requirements,
    settled,
    starting,
    status,
    stepping,
    upkeep,
    verification,
)
from leeboard.modeldeployment.seen import Seen
from leeboard.modeldeployment.view import Decision, View

Check = Callable[[View], Decision | None]

CHAIN: tuple[Check, ...] = (
    # What protects the traffic comes first, suspended or not, registry or not.
    health.check_abort,
    health.check_available,
    health.check_analysis,
    health.check_moved_back,
    health.check_deadline,
    starting.check_retry,
    starting.check_stable_arm,
    # Then whether anything may begin or advance.
    requirements.check_suspended,
    requirements.check_spec,
    requirements.check_registry,
    requirements.check_model,
    requirements.check_owner,
    # Then the walk through a rollout.
    starting.check_superseded,
    starting.check_start,
    preparing.check_arm,
    preparing.check_proof,
    verification.check_verified,
    preparing.check_ready,
    stepping.check_stages,
    stepping.check_promoted,
    stepping.check_held,
    comparison.check_compared,
    stepping.check_approval,
    stepping.check_passed,
    health.check_stranded,
    baking.check_promoting,
    baking.check_baking,
    # Then what there is to say when nothing is under way.
    settled.check_asked,
    settled.check_route,
    settled.check_stable,
    settled.check_set_back,
)


def decide(seen: Seen) -> Plan:
    """Return what is to be done now, and the status that then holds."""
    view = facts.take_in(seen)
    decision = next((found for check in CHAIN if (found := check(view)) is not None), None) or settled.serving(view)
    after = View(seen, upkeep.tidied(view, decision.status))
    writes = upkeep.due_writes(after)
    events = (*facts.verdict_events(seen.subject.status, view.status), *decision.events)
    return Plan(
        status=status.document(after, decision.standing, writes),
        steps=(
            *upkeep.route_steps(after),
            *events,
            *upkeep.registry_steps(after, writes),
            *decision.steps,
            *upkeep.adjust_steps(after),
            *upkeep.delete_steps(after),
        ),
        look=upkeep.look(after, decision, writes),
    )
