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


class Detector(ApiModel):
    """How it is told whether a request belongs to what the model knows. Higher scores are stranger."""

    max_softmax: NoParameters | None = None
    """One minus the largest class probability, in log space (Hendrycks and Gimpel, 2017)."""
    energy: Energy | None = None
    """Energy of the logits."""
    mahalanobis: Mahalanobis | None = None
    """Distance to the nearest class mean."""
    knn: NearestNeighbours | None = None
    """Distance to the k-th nearest reference row."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("maxSoftmax", "energy", "mahalanobis", "knn"),)


class DetectorInput(StrEnum):
    """What the detector looks at."""

    INSTANCES = "Instances"
    PROBABILITIES = "Probabilities"
    LOGITS = "Logits"
    FEATURES = "Features"


class OnDetection(StrEnum):
    """What happens to a row that does not belong."""

    OBSERVE = "Observe"
    FLAG = "Flag"
    REJECT = "Reject"


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
    on_detection: OnDetection = OnDetection.FLAG
    """Observe (count only), Flag (say so in the answer) or Reject (no prediction for that row)."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.detector.energy) || self.input == 'Logits'",
            message="energy reads logits: set input: Logits",
            holds=lambda ood: ood.detector.energy is None or ood.input is DetectorInput.LOGITS,
        ),
        Rule(
            cel="!has(self.detector.maxSoftmax) || self.input in ['Probabilities', 'Logits']",
            message="maxSoftmax reads probabilities or logits: set input: Probabilities or Logits",
            holds=lambda ood: (
                ood.detector.max_softmax is None or ood.input in {DetectorInput.PROBABILITIES, DetectorInput.LOGITS}
            ),
        ),
        Rule(
            cel="!(has(self.detector.mahalanobis) || has(self.detector.knn)) || "
            "self.input in ['Instances', 'Features']",
            message="mahalanobis and knn read instances or features: set input: Instances or Features",
            holds=lambda ood: (
                not ood.detector.members_set("mahalanobis", "knn")
                or ood.input in {DetectorInput.INSTANCES, DetectorInput.FEATURES}
            ),
        ),
    )
