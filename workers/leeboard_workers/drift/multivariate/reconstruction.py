"""Reconstruction error: do the rows still lie where a few principal components of the reference say?

The components are fitted on half of the reference's spans, which also teach the encoding; the squared distance to
their plane of the other half is compared with the window's, by ranks. It sees broken relations between columns, which
no column shows by itself, and is blind to shifts within the plane. Source of the idea: NannyML's reconstruction
error; here the reference's own error is taken on rows that the components have not seen, and a p-value takes the
place of a band around its mean.
"""

import numpy as np
from numpy.typing import NDArray

from leeboard_workers.drift.multivariate.outcome import JointOutcome
from leeboard_workers.drift.multivariate.ranks import Ranking, auc_test
from leeboard_workers.drift.multivariate.reduce import principal_axes
from leeboard_workers.drift.multivariate.sides import Rows, Sides

EXPLAINED = 0.65
"""Share of the reference's variance that the components explain, unless told otherwise."""


def pca_reconstruction(sides: Sides, *, components: int | None = None, variance: float | None = None) -> JointOutcome:
    """Test whether the errors of reconstruction are those of the reference.

    Args:
        sides: Rows of both sides.
        components: Principal components; None: as many as explain `variance`.
        variance: Share of the reference's variance; None: `EXPLAINED`.

    Returns:
        Its statistic is the ratio of the mean errors, now to then; its effect |2 AUC - 1| of the errors.
    """
    spans = np.repeat(np.arange(sides.reference_spans), sides.span)
    fitted = sides.fitted
    if sides.reference_spans < 2:  # noqa: PLR2004 (one to fit on, one to compare with)
        note = "the reference is a single span: nothing is left to compare with"
        return JointOutcome("PcaReconstruction", 1.0, 1.0, 0.0, "nothing was compared", (*sides.notes, note))
    mean, directions = principal_axes(sides.reference[fitted], components, variance or EXPLAINED)
    then = _errors(sides.reference[~fitted], mean, directions)
    now = _errors(sides.window, mean, directions)
    ranking = Ranking(then, spans[~fitted], now, np.repeat(np.arange(sides.window_spans), sides.span))
    auc, p = auc_test([ranking], two_sided=True)
    typical = float(then.mean())
    ratio = float(now.mean()) / typical if typical > 0 else 1.0
    return JointOutcome(
        method="PcaReconstruction",
        statistic=ratio,
        p_value=p,
        effect=abs(2.0 * auc - 1.0),
        told=f"the error of {directions.shape[1]} components is {ratio:.3g} times the reference's",
        notes=sides.notes,
    )


def _errors(rows: Rows, mean: NDArray[np.float32], directions: NDArray[np.float32]) -> NDArray[np.float64]:
    errors = np.empty(len(rows))
    for start in range(0, len(rows), 65_536):
        centred = rows[start : start + 65_536] - mean
        rest = centred - (centred @ directions) @ directions.T
        errors[start : start + 65_536] = (rest.astype(np.float64) ** 2).sum(axis=1)
    return errors
