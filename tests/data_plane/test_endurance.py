"""Parts are killed while clients ask: all are answered, and each answered row is in the log once.

`make bench ONLY=endurance` does the same for as long as you like, with the predictor too and a look at the memory.
"""

from pathlib import Path

from tests.support.dataplane import Artifacts, Plane
from tests.support.endurance import Endurance, after


def test_no_answer_is_lost_whichever_part_restarts(plane: Plane, weather_artifacts: Artifacts, tmp_path: Path) -> None:
    endurance = Endurance(plane, weather_artifacts, tmp_path)
    outcome = endurance.run(
        ["collector", "transformer A", "transformer B"], rounds=1, clients=4, between=after(0.0, endurance.outcome, 100)
    )
    assert outcome.restarts == {"collector": 1, "transformer": 2}
    assert len(outcome.answered) >= 400
    assert outcome.unanswered == []
    assert (outcome.lost, outcome.doubled, outcome.dropped) == (0, 0, 0.0)
    assert {request_id for request_id, _, _ in outcome.logged} == outcome.answered
