"""Names what kind of drift a window shows, each kind with its evidence.

covariate: the inputs are other ones. label: the outcomes are. concept: the same inputs lead to other outcomes, so that
answers are worse than their own confidence, calibrated on the reference, lets one expect.
"""

from collections.abc import Iterator, Sequence

from leeboard.contract.findings import DriftKind
from leeboard.contract.jobs import CheckReport

OF_INPUTS = ("univariateTest", "univariateDistance", "multivariateTest")


def kinds_of(checks: Sequence[CheckReport]) -> tuple[DriftKind, ...]:
    """Return the kinds of drift that the checks give evidence of."""
    return (*_covariate(checks), *_label(checks), *_concept(checks))


def _covariate(checks: Sequence[CheckReport]) -> Iterator[DriftKind]:
    for check in checks:
        if check.kind in OF_INPUTS and check.drifted:
            where = f", most of all {', '.join(check.worst_columns[:3])}" if check.worst_columns else ""
            yield DriftKind(kind="covariate", evidence=f"the inputs have changed: {check.message}{where}")
            return


def _label(checks: Sequence[CheckReport]) -> Iterator[DriftKind]:
    for check in checks:
        labels = check.performance.labels if check.performance is not None else None
        if labels is not None and labels.drifted:
            told = f"the outcomes have changed: {labels.method} {labels.statistic:.3g}, effect {labels.effect:.2g}"
            yield DriftKind(kind="label", evidence=told)
            return


def _concept(checks: Sequence[CheckReport]) -> Iterator[DriftKind]:
    metrics = [metric for check in checks if check.performance is not None for metric in check.performance.metrics]
    for metric in metrics:
        if metric.drifted and metric.shortfall is not None and metric.shortfall > 0:
            told = (
                f"inputs do not explain it: {metric.name} is {metric.value:.3g}, and {metric.expected:.3g} was to be "
                "expected of these answers"
            )
            yield DriftKind(kind="concept", evidence=told)
            return
