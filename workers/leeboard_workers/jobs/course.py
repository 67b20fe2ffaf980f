"""What is trained on what and compared on what, decided before anything is trained."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pyarrow as pa

from leeboard.api.training import WarmStart
from leeboard.contract.jobs import RetrainRequest
from leeboard_workers.data.windows import instant
from leeboard_workers.jobs.frame import Desk
from leeboard_workers.jobs.models import LoadedModel, load
from leeboard_workers.jobs.trainingrows import TrainingRows, read_training_rows
from leeboard_workers.retrain.freshness import is_new, warm_rows
from leeboard_workers.retrain.split import SplitRows, split_rows

_NEW = "\0new"


@dataclass(frozen=True)
class Warmth:
    """What a warm start learns of the rows that it may learn."""

    since: datetime
    """The model has learnt what is older."""
    new: int
    replayed: int


@dataclass(frozen=True)
class Course:
    """Rows, models and the split between what is learnt and what decides."""

    rows: TrainingRows
    features: tuple[str, ...]
    champion: LoadedModel | None
    previous: LoadedModel | None
    """The model that training goes on from, or whose estimator it clones."""
    warmth: Warmth | None
    """Of a warm start."""
    split: SplitRows

    def cutoff(self, request: RetrainRequest) -> datetime:
        """Return the instant at or after which the challenger has learnt nothing."""
        if self.split.cutoff is not None:
            return self.split.cutoff
        # Rows without times: all that can be said is that they were there by now.
        return instant(request.data_to_time) if request.data_to_time else datetime.now(UTC)


def lay_course(request: RetrainRequest, desk: Desk) -> Course:
    """Read the rows and the models, and split the rows.

    Raises:
        TrainingError, DatasetError, ModelError: the request cannot be answered as it is.
    """
    rows = read_training_rows(request)
    champion = previous = None
    if request.champion_version is not None:
        champion = load(desk.run.client, request.model_name, request.champion_version)
    if request.parent_version is not None and request.parent_version != request.champion_version:
        previous = load(desk.run.client, request.model_name, request.parent_version)
    previous = previous or champion
    features = (previous.features if previous else ()) or rows.columns
    split, warmth = _split(request, rows, champion, previous)
    return Course(rows, features, champion, previous, warmth, split)


def _split(
    request: RetrainRequest, rows: TrainingRows, champion: LoadedModel | None, previous: LoadedModel | None
) -> tuple[SplitRows, Warmth | None]:
    warm = previous if request.trainer.warm_start is not WarmStart.NONE else None
    since = warm.version.stated_cutoff if warm is not None and rows.time is not None else None
    table = rows.table
    if warm is not None and since is not None:
        table = table.append_column(_NEW, is_new(table[rows.time], rows.ingested, since, warm.version.ingest_mark))
    split = split_rows(
        table,
        time=rows.time,
        key=rows.key,
        holdout=request.evaluation.holdout,
        champion_cutoff=champion.version.cutoff if champion else None,
    )
    if since is None:
        return split, None
    fraction = request.replay.fraction if request.replay is not None else 0.0
    chosen = warm_rows(_bare(split.train), split.train[_NEW], fraction=fraction, seed=request.seed)
    split = replace(split, train=chosen.table, holdout=_bare(split.holdout))
    return split, Warmth(since, chosen.new, chosen.replayed)


def _bare(rows: pa.Table) -> pa.Table:
    return rows.drop_columns([_NEW])
