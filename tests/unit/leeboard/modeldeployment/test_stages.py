"""Stages as the walk sees them."""

import pytest

from leeboard.api.rollout import Stage
from leeboard.modeldeployment import stages


def test_a_stage_without_a_variant_is_nobodys():
    with pytest.raises(ValueError, match="the stage odd has no variant"):
        stages.of(Stage.model_construct(name="odd", shadow=None, canary=None))
