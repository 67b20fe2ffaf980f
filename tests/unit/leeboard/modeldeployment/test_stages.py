"""What each stage asks for, how long it lasts and how it is told."""

import pytest

from leeboard.api.rollout import Stage
from leeboard.modeldeployment import stages


def test_a_canary_gets_a_growing_share():
    steps = [{"weight": 5, "hold": "10m"}, {"weight": 50, "hold": "90s"}]
    canary = stages.of(Stage.model_validate({"name": "canary", "canary": {"steps": steps}}))

    assert (canary.reason, canary.steps, canary.shadow) == ("Canary", 2, None)
    assert [(canary.weight(step), canary.hold(step)) for step in range(2)] == [(5, 600), (50, 90)]
    assert canary.describe(1) == "step 2 of 2, 50 % of the traffic"


def test_a_shadow_gets_copies_and_no_share():
    stage = Stage.model_validate({"name": "shadow", "shadow": {"percent": 30, "duration": "1h", "minSamples": 10}})
    shadow = stages.of(stage)

    assert (shadow.reason, shadow.steps, shadow.shadow) == ("Shadow", 1, stage.shadow)
    assert (shadow.weight(0), shadow.hold(0)) == (0, 3600)
    assert shadow.describe(0) == "a copy of 30 % of the traffic"


def test_a_stage_without_a_variant_is_none():
    with pytest.raises(ValueError, match=r"^the stage empty has no variant$"):
        stages.of(Stage.model_construct(name="empty", shadow=None, canary=None))
