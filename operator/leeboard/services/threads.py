"""Blocking clients in a few threads of their own, each call with a longest wait."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class Threads:
    """A bounded pool of threads for one neighbour: when it hangs, others go on.

    Args:
        name: Name of the neighbour.
        size: How many calls run at once.
    """

    def __init__(self, name: str, size: int = 4) -> None:
        self._pool = ThreadPoolExecutor(max_workers=size, thread_name_prefix=name)

    async def call(self, timeout: float, function: Callable[..., T], *arguments: Any) -> T:  # noqa: ASYNC109
        """Run a blocking function.

        Raises:
            TimeoutError: it took longer than `timeout` seconds; its thread goes on until its own timeout.
        """
        future = asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)
        async with asyncio.timeout(timeout):
            return await future

    def close(self) -> None:
        """Take no more calls; those that run are left to end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
