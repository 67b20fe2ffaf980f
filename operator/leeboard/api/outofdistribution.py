"""How a model refuses what it cannot know."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from leeboard.api.base import ApiModel, Rule, exactly_one
from leeboard.api.shared import DatasetRef, NoParameters


class Energy(ApiModel):
    """Energy of the logits (Liu et al., 2020)."""

    temperature: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """Temperature of the softmax."""


class Mahalanobis(ApiModel):
    """Distance to the nearest class mean under the shared covariance (Lee et al., 2018)."""


class NearestNeighbours(ApiModel):
    """Distance to the k-th nearest reference row, normalized (Sun et al., 2022)."""

    neighbours: Annotated[int, Field(ge=1, le=1000)] = 10
    """k."""
    max_reference_rows: Annotated[int, Field(ge=100, le=200_000)] = 20_000
    """Reference rows that are kept."""


class Vim(ApiModel):
    """Virtual logit of what lies outside the features' principal space (Wang et al., 2022)."""

    dimensions: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Dimensions of the principal space; left out: half of the features."""


class React(ApiModel):
    """Energy of the logits after the features were cut off above (Sun et al., 2021)."""

    quantile: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Quantile of the reference's features at which they are cut off."""


class Pca(ApiModel):
    """What is left of a row outside the principal components (Jackson and Mudholkar, 1979)."""

    variance: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Share of the reference's variance that the components hold."""


class IsolationForest(ApiModel):
    """How few random cuts separate a row from all others (Liu et al., 2008)."""

    trees: Annotated[int, Field(ge=10, le=1000)] = 100
    """Trees."""
    rows_per_tree: Annotated[int, Field(ge=2, le=10_000)] = 256
    """Reference rows that each tree is grown from."""


class DetectorInput(StrEnum):
    """What the detector looks at."""

    INSTANCES = "Instances"
    PROBABILITIES = "Probabilities"
    LOGITS = "Logits"
    FEATURES = "Features"


class Detector(ApiModel):
    """How it is told whether a request belongs to what the model knows. Higher scores are stranger."""

    max_softmax: NoParameters | None = None
    """One minus the largest class probability, in log space (Hendrycks and Gimpel, 2017)."""
    max_logit: NoParameters | None = None
    """Minus the largest logit (Hendrycks et al., 2022)."""
    energy: Energy | None = None
    """Energy of the logits."""
    mahalanobis: Mahalanobis | None = None
    """Distance to the nearest class mean."""
    relative_mahalanobis: NoParameters | None = None
    """Distance to the nearest class mean, less the distance to the mean of all (Ren et al., 2021). Needs labels."""
    knn: NearestNeighbours | None = None
    """Distance to the k-th nearest reference row."""
    vim: Vim | None = None
    """Virtual logit of what lies outside the features' principal space."""
    react: React | None = None
    """Energy after the features were cut off above."""
    kl_matching: NoParameters | None = None
    """Divergence from the nearest class's mean probabilities (Hendrycks et al., 2022)."""
    pca: Pca | None = None
    """What is left outside the principal components."""
    isolation_forest: IsolationForest | None = None
    """How few random cuts separate the row."""
    auto: NoParameters | None = None
    """Whichever of those that suit the input tells synthetic outliers best from held-out reference rows."""

    rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one(
            "maxSoftmax",
            "maxLogit",
            "energy",
            "mahalanobis",
            "relativeMahalanobis",
            "knn",
            "vim",
            "react",
            "klMatching",
            "pca",
            "isolationForest",
            "auto",
        ),
    )


def reads(*members: str, inputs: tuple[DetectorInput, ...]) -> Rule:
    """Demand one of the inputs for the named detectors."""
    named = " || ".join(f"has(self.detector.{member})" for member in members)
    names = " and ".join((", ".join(members[:-1]), members[-1]))
    read = " or ".join(each.value.lower() for each in inputs)
    return Rule(
        cel=f"!({named}) || self.input in [{', '.join(repr(each.value) for each in inputs)}]",
        message=f"{names} read {read}: set input: {' or '.join(inputs)}",
        holds=lambda ood: not ood.detector.members_set(*members) or ood.input in inputs,
    )


class OnDetection(StrEnum):
    """What happens to a row that does not belong."""

    OBSERVE = "Observe"
    FLAG = "Flag"
    REJECT = "Reject"


class Calibration(StrEnum):
    """Whose rows set the threshold."""

    POOLED = "Pooled"
    PER_CLASS = "PerClass"


WITHOUT_CLASSES = ("knn", "pca", "isolationForest", "auto")
"""Detectors that do not tell which class a row looks like."""


class Reference(ApiModel):
    """Rows that belong."""

    dataset: DatasetRef
    """The table."""


class OutOfDistribution(ApiModel):
    """How the model refuses what it cannot know."""

    detector: Detector = Detector(mahalanobis=Mahalanobis())
    """The detector; exactly one."""
    input: DetectorInput = DetectorInput.INSTANCES
    """What the detector looks at: the request's rows, or an output of the model."""
    reference: Reference | None = None
    """Rows that belong; left out: the version's own training data, by its lineage tags."""
    acceptance: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    """Share of held-out reference rows that must pass; sets the threshold. At 0.95, 1 in 20 good rows does not."""
    calibration: Calibration = Calibration.POOLED
    """Pooled (one threshold) or PerClass (one for each class, so that rows that look like any class pass as often)."""
    on_detection: OnDetection = OnDetection.FLAG
    """Observe (count only), Flag (say so in the answer) or Reject (no prediction for that row)."""

    rules: ClassVar[tuple[Rule, ...]] = (
        reads("maxLogit", "energy", inputs=(DetectorInput.LOGITS,)),
        reads("maxSoftmax", "klMatching", inputs=(DetectorInput.PROBABILITIES, DetectorInput.LOGITS)),
        reads(
            "mahalanobis",
            "relativeMahalanobis",
            "knn",
            "pca",
            "isolationForest",
            inputs=(DetectorInput.INSTANCES, DetectorInput.FEATURES),
        ),
        reads("vim", "react", inputs=(DetectorInput.FEATURES,)),
        Rule(
            cel="self.calibration == 'Pooled' || "
            f"!({' || '.join(f'has(self.detector.{member})' for member in WITHOUT_CLASSES)})",
            message=f"calibration: PerClass needs a detector that knows classes, not {', '.join(WITHOUT_CLASSES)}",
            holds=lambda ood: ood.calibration is Calibration.POOLED or not ood.detector.members_set(*WITHOUT_CLASSES),
        ),
    )
