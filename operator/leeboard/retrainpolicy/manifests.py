"""What a training job is told, and its RayJob. Pure.

Everything in the request stands in the spec or in `status.activeRun`, which is written first: the same pass repeated,
or after a crash, makes the same request under the same name.
"""

from typing import Any

from leeboard.api.retrainpolicy import KIND, ActiveRun
from leeboard.api.training import WarmStart
from leeboard.contract.jobs import LogTables, RetrainRequest
from leeboard.control import children, livearms, names
from leeboard.control.clock import instant, iso
from leeboard.control.rayjobs import ray_job
from leeboard.retrainpolicy.seen import Seen


def desired_request(seen: Seen, run: ActiveRun) -> RetrainRequest | None:
    """Return the request of a run; None while the ModelDeployment or the log is not there."""
    policy, model, tables, length = seen.policy, seen.model, seen.tables, seen.data_length
    if model is None or (length is not None and tables is None):
        return None
    request = RetrainRequest(
        namespace=policy.metadata.namespace,
        owner=policy.metadata.name,
        owner_uid=policy.metadata.uid,
        model_deployment=model.metadata.name,
        model_name=model.spec.model.name,
        tracking_uri=seen.settings.tracking_uri,
        policy_run_id=run.id,
        triggers=tuple(run.triggers),
        champion_version=run.champion_version,
        parent_version=_parent(seen, run),
        dataset=policy.spec.data.dataset,
        replay=policy.spec.data.replay,
        trainer=policy.spec.trainer,
        evaluation=policy.spec.evaluation,
    )
    if length is None or tables is None:
        return request
    cutoff = instant(run.cutoff_time)
    return request.model_copy(
        update={
            "data_from_time": iso(cutoff - length),
            "data_to_time": iso(cutoff),
            "log": LogTables(predictions=tables.predictions, labels=tables.labels),
            "arms": livearms.within(seen.live_arms, cutoff - length, cutoff),
        }
    )


def job_name(seen: Seen, request_hash: str, attempt: int) -> str:
    """Name the RayJob of an attempt."""
    return names.ray_job(seen.policy.metadata.name, "retrain", request_hash, attempt)


def desired_job(seen: Seen, run: ActiveRun, request: RetrainRequest) -> dict[str, Any]:
    """Return the RayJob of an attempt."""
    policy = seen.policy
    return ray_job(
        name=run.ray_job,
        kind=KIND,
        owner=policy.metadata,
        labels=children.labels(
            policy.spec.model_deployment_ref.name, {children.LABEL_RETRAIN_POLICY: policy.metadata.name}
        ),
        template=policy.spec.job,
        request=request.model_copy(update={"attempt": run.attempt}),
        settings=seen.settings,
        packages=policy.spec.trainer.packages or (),
    )


def _parent(seen: Seen, run: ActiveRun) -> str | None:
    """Return the version that a warm start goes on from; before there is a last run's, the champion."""
    warm_start = seen.policy.spec.trainer.warm_start
    if warm_start is WarmStart.NONE:
        return None
    last = seen.policy.status.last_run
    if warm_start is WarmStart.LAST_RUN and last is not None and last.version is not None:
        return last.version
    return run.champion_version
