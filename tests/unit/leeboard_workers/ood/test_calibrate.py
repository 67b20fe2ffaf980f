import numpy as np
import pytest

from leeboard_workers.ood.calibrate import Calibration, TooFewRowsError, split

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("acceptance", [0.5, 0.9, 0.95, 0.99])
def test_the_promised_share_of_good_rows_passes(acceptance: float) -> None:
    shares = []
    for _ in range(200):
        calibration = Calibration.of(RNG.normal(size=300), acceptance)
        shares.append(1.0 - calibration.flags(RNG.normal(size=300)).mean())
    assert acceptance - 0.01 < np.mean(shares) < acceptance + 0.015


def test_p_values_of_good_rows_are_uniform_or_larger() -> None:
    p_values = np.concatenate(
        [Calibration.of(RNG.normal(size=99), 0.9).p_values(RNG.normal(size=50)) for _ in range(200)]
    )
    for level in (0.01, 0.05, 0.2, 0.5):
        assert (p_values <= level).mean() <= level + 0.015


def test_p_values_and_flags_agree() -> None:
    calibration = Calibration.of(RNG.normal(size=500), 0.95)
    scores = RNG.normal(size=1000) + 1.0
    np.testing.assert_array_equal(calibration.flags(scores), calibration.p_values(scores) <= 1.0 - 0.95)


def test_too_few_rows_are_one_sentence_that_says_how_many() -> None:
    with pytest.raises(TooFewRowsError, match="at least 19 calibration rows, there are 18"):
        Calibration.of(np.arange(18.0), 0.95)
    assert Calibration.of(np.arange(19.0), 0.95).threshold == 18.0
    with pytest.raises(TooFewRowsError, match="at least 9 calibration rows, there are 8"):
        Calibration.of(np.arange(8.0), 0.9)
    assert Calibration.of(np.arange(9.0), 0.9).threshold == 8.0


def test_no_row_both_fits_and_calibrates() -> None:
    fit, held_out = split(1000, np.random.default_rng(5))
    assert not set(fit) & set(held_out)
    assert len(fit) + len(held_out) == 1000
    again = split(1000, np.random.default_rng(5))
    np.testing.assert_array_equal(fit, again[0])
