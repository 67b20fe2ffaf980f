"""Where rows are multiplied: numpy on the CPU, or torch on a GPU where there is one; one code for both (array API)."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import array_api_compat.numpy as numpy_namespace
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

T = TypeVar("T")
R = TypeVar("R")

CPU_BLOCK = 512
"""Rows of a block on a CPU: a block of the kernel matrix, 1 MB, stays in a core's own cache."""
GPU_BLOCK = 8192
"""Rows of a block on a GPU: products that are large enough to fill it."""


@dataclass(frozen=True)
class Device:
    """An array namespace, and how work on it is cut up."""

    namespace: Any
    """Follows the array API standard."""
    where: Any = None
    """The namespace's own name of the device; None: its default."""
    block: int = CPU_BLOCK
    """Rows of a block. It changes the order of sums, so results differ by rounding between devices."""
    threads: int = 1
    """Blocks worked on at once; libraries below are then kept to one thread each."""

    def array(self, values: NDArray[Any]) -> Any:
        """Return float32 values on the device."""
        return self.namespace.asarray(values.astype(np.float32, copy=False), device=self.where)

    def numpy(self, array: Any) -> NDArray[np.float64]:
        """Return an array of the device as float64 values of numpy."""
        return np.asarray(array.cpu() if hasattr(array, "cpu") else array, dtype=np.float64)

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> Iterable[R]:
        """Return what the function makes of each item, in the items' order."""
        if self.threads < 2 or len(items) < 2:  # noqa: PLR2004 (nothing to share out)
            return [function(item) for item in items]
        with threadpool_limits(1), ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(function, items))


def cpu() -> Device:
    """Return numpy on the CPUs that this process may use."""
    return Device(numpy_namespace, threads=len(os.sched_getaffinity(0)))


def fastest() -> Device:
    """Return the GPU that torch sees, if both are there, else the CPU."""
    try:
        import array_api_compat.torch as torch_namespace  # noqa: PLC0415 (torch is the extra `gpu`)
        import torch  # noqa: PLC0415
    except ImportError:
        return cpu()
    return Device(torch_namespace, "cuda", GPU_BLOCK) if torch.cuda.is_available() else cpu()
