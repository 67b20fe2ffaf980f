"""One real local Ray for all tests of a session: those that use the fixture `local_ray`."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """Run two CPUs' worth of Ray; jobs in this process find it connected."""
    import ray  # noqa: PLC0415 (collecting tests needs no Ray)

    ray.init("local", num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    yield
    ray.shutdown()
