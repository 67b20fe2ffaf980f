"""The Ray cluster of a job: its own when the job runs inside one, else one on this machine, started when needed."""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Cluster:
    """Runs functions on a cluster's CPUs and GPUs; connects at the first need, since small work needs none."""

    def __init__(self) -> None:
        """Connect to nothing yet."""
        self._ours = False

    def connect(self) -> Any:
        """Return the module `ray`, connected."""
        import ray  # noqa: PLC0415 (a second that small work does not need)

        if not ray.is_initialized():
            inside = bool(os.environ.get("RAY_ADDRESS"))
            where: dict[str, Any] = {"address": "auto"} if inside else {"address": "local", "include_dashboard": False}
            ray.init(logging_level="WARNING", **where)
            self._ours = True
        return ray

    @property
    def gpus(self) -> float:
        """GPUs of the whole cluster."""
        return float(self.connect().cluster_resources().get("GPU", 0))

    def map(
        self, function: Callable[[T], R], items: Sequence[T], *, gpus: float = 0, always: bool = False
    ) -> Iterable[R]:
        """Apply a function to items in parallel and return the results in the items' order.

        A single item is worked on right here. What a task raises is raised here.

        Args:
            function: An importable function, or a `functools.partial` of one.
            items: Its arguments.
            gpus: GPUs of each task.
            always: Send even a single item to the cluster.
        """
        if len(items) < 2 and not always:  # noqa: PLR2004 (nothing to share out)
            return [function(item) for item in items]
        ray = self.connect()
        task = ray.remote(_applied).options(num_cpus=1, num_gpus=gpus)
        shared = ray.put(function)  # what it carries goes to each machine once, not with every item
        try:
            results: list[R] = ray.get([task.remote(shared, item) for item in items])
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error
        return results

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        if self._ours:
            self.connect().shutdown()
            self._ours = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _applied(function: Callable[[T], R], item: T) -> R:
    return function(item)
