"""One test of all columns at once: what a DriftMonitor's check `multivariateTest` may say."""

from typing import Annotated, ClassVar

from pydantic import Field

from leeboard.api.base import ApiModel, Rule, Share, at_most_one, exactly_one
from leeboard.api.shared import ColumnName, NoParameters
from leeboard.api.thresholds import Learned


class PrincipalComponents(ApiModel):
    """The directions in which the reference varies most."""

    components: Annotated[int, Field(ge=1, le=512)] = 16
    """How many."""


class RandomProjection(ApiModel):
    """Random directions, which keep distances up to a factor."""

    components: Annotated[int, Field(ge=1, le=2048)] = 64
    """How many."""


class SentenceEmbeddings(ApiModel):
    """What texts mean, as 384 numbers each (all-MiniLM-L6-v2); the job's image needs leeboard's extra `text`."""

    columns: Annotated[
        list[ColumnName], Field(min_length=1, max_length=20, json_schema_extra={"x-kubernetes-list-type": "set"})
    ]
    """Columns of text; the others enter as they are. At most 5,000 rows of either side are read, evenly spread."""


class Reduction(ApiModel):
    """Other numbers for each row before the test, by what is learnt from the reference alone."""

    pca: PrincipalComponents | None = None
    """Principal components: when columns hang together."""
    random_projection: RandomProjection | None = None
    """Random directions: when there are very many columns, or long lists such as embeddings."""
    model_features: NoParameters | None = None
    """What the stable version's last hidden layer makes of a row: drift that matters to the model. For networks."""
    sentence_embeddings: SentenceEmbeddings | None = None
    """What texts mean: new topics, whatever the words."""

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("pca", "randomProjection", "modelFeatures", "sentenceEmbeddings"),)


Permutations = Annotated[int, Field(ge=19, le=10_000)]
"""The smallest p-value is 1 in so many and one."""


class MaximumMeanDiscrepancy(ApiModel):
    """Distance of the means in the space of a Gaussian kernel: sees any difference, shifts and shapes and relations."""

    permutations: Permutations = 200
    """Exchanges of rows between then and now that give the p-value (1 + k) / (permutations + 1)."""
    bandwidths: Annotated[
        list[Annotated[float, Field(ge=0.01, le=100)]],
        Field(min_length=1, max_length=8, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = [1.0]
    """Of the kernel, in medians of the reference's distances; the kernel is the mean over them. Smaller ones see finer
    differences."""
    reduce: Reduction | None = None
    """Fewer numbers for each row before the test."""


class EnergyDistance(ApiModel):
    """Difference of the mean distances between and within both sides: has no bandwidth to choose."""

    permutations: Permutations = 200
    """Exchanges of rows between then and now that give the p-value (1 + k) / (permutations + 1)."""
    reduce: Reduction | None = None
    """Fewer numbers for each row before the test."""


class DomainClassifier(ApiModel):
    """How well boosted trees can tell then from now (AUC), and by which columns."""

    folds: Annotated[int, Field(ge=2, le=20)] = 5
    """Parts of the rows: each is judged by trees that were fitted on the others."""


class PcaReconstruction(ApiModel):
    """Do rows still lie where the reference's principal components say? Sees broken relations between columns."""

    components: Annotated[int, Field(ge=1, le=512)] | None = None
    """How many; excludes variance."""
    variance: Annotated[float, Field(ge=0.1, le=0.99)] | None = None
    """As many components as explain this share of the reference's variance. Left out without components: 0.65."""

    rules: ClassVar[tuple[Rule, ...]] = (at_most_one("components", "variance"),)


_PERMUTED = ("maximumMeanDiscrepancy", "energyDistance")


def _can_fall_below(member: str) -> str:
    permutations = f"self.{member}.permutations"
    return (
        f"!has(self.{member}) || !has(self.alpha) || !has({permutations}) || "
        f"self.alpha * double({permutations} + 1) > 1.0"
    )


class MultivariateTest(ApiModel):
    """One test of all columns at once. The window drifted if p is below alpha and the effect reaches minEffect."""

    maximum_mean_discrepancy: MaximumMeanDiscrepancy | None = None
    """Distance of the means in a kernel's space: the most powerful, and the default choice."""
    energy_distance: EnergyDistance | None = None
    """Difference of mean distances: nothing to choose."""
    domain_classifier: DomainClassifier | None = None
    """How well a classifier tells then from now: names the columns that tell."""
    pca_reconstruction: PcaReconstruction | None = None
    """Error of reconstruction from principal components: cheap, for broken relations."""
    alpha: Annotated[float, Field(gt=0, le=0.5)] = 0.01
    """Significance level."""
    min_effect: Share | None = None
    """Smallest effect that counts, 0: nothing tells then from now, 1: everything does. Left out: 0.3, and 0.8 of
    domainClassifier, since trees tell most weeks apart; quiet years are calm with these. With `learned`: 0."""
    learned: Learned | None = None
    """A bound of the effect, learned from the reference; where it is above minEffect it takes its place."""
    spans: Annotated[int, Field(ge=2, le=10_000)] | None = None
    """Spans of consecutive rows that the window is cut into; whole spans are taken for independent, not rows, since
    rows resemble their neighbours in time. Left out: as long as rows of the reference are found to do so."""

    @property
    def reduction(self) -> Reduction | None:
        """What is made of the rows before the test; none: nothing."""
        reduced = self.maximum_mean_discrepancy or self.energy_distance
        return reduced.reduce if reduced is not None else None

    @property
    def looks_inside(self) -> bool:
        """Whether it compares the stable version's own features."""
        return self.reduction is not None and self.reduction.model_features is not None

    @property
    def smallest_effect(self) -> float:
        """Smallest effect that counts, stated or not."""
        if self.min_effect is not None:
            return self.min_effect
        if self.learned is not None:
            return 0.0
        return 0.3 if self.domain_classifier is None else 0.8

    rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one("maximumMeanDiscrepancy", "energyDistance", "domainClassifier", "pcaReconstruction"),
        Rule(
            cel=" && ".join(f"({_can_fall_below(member)})" for member in _PERMUTED),
            message="permutations must exceed 1 / alpha - 1, or no p-value can be below alpha",
            holds=lambda test: all(
                permuted is None or test.alpha * (permuted.permutations + 1) > 1.0
                for permuted in (test.maximum_mean_discrepancy, test.energy_distance)
            ),
        ),
    )
