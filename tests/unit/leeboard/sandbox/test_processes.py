"""Children start, become ready, fail with their own words, and end with all that they started."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from leeboard.sandbox.processes import Child, ChildFailedError, Supervisor, free_port, until

FOREVER = "import time; print('up', flush=True); time.sleep(3600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + FOREVER
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {FOREVER!r}], stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
child.wait()
"""


def _child(tmp_path: Path, code: str, **options: object) -> Child:
    child = Child("child", [sys.executable, "-c", code], tmp_path / "child.log", **options)  # type: ignore[arg-type]

    async def said_something() -> bool:
        return bool(child.last_words())

    child.ready = child.ready or said_something
    return child


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def _ended(pid: int) -> None:
    async def ended() -> bool:
        return not _runs(pid)

    await until(ended, f"process {pid} to end", within=10)


async def test_is_ready_when_its_condition_holds_and_ends_when_asked(tmp_path: Path):
    child = _child(tmp_path, FOREVER)
    await child.start()
    pid = child.pid
    assert child.running
    assert child.last_words() == "up"
    await child.stop()
    assert (child.running, child.pid, child.exit_code) == (False, None, -15)
    assert pid is not None
    assert not _runs(pid)


async def test_starts_again_with_the_same_arguments(tmp_path: Path):
    child = _child(tmp_path, FOREVER)
    await child.start()
    await child.kill()
    await child.start()
    assert child.running
    await child.kill()


async def test_kills_what_does_not_listen(tmp_path: Path):
    child = _child(tmp_path, STUBBORN)
    await child.start()
    await child.stop(patience=0.2)
    assert child.exit_code == -9


async def test_ends_what_the_child_started_even_when_the_child_is_gone(tmp_path: Path):
    child = _child(tmp_path, PARENT)
    await child.start()
    grandchild = int(child.last_words())
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    await child.wait(within=10)
    assert _runs(grandchild)
    await child.stop()
    await _ended(grandchild)


async def test_a_child_that_ends_early_says_why(tmp_path: Path):
    async def never() -> bool:
        return False

    child = _child(tmp_path, "raise SystemExit('no such luck')", ready=never)
    with pytest.raises(ChildFailedError, match=r"child ended with 1\n.*no such luck"):
        await child.start()


async def test_a_child_that_is_never_ready_is_taken_away(tmp_path: Path):
    async def never() -> bool:
        return False

    child = _child(tmp_path, FOREVER, ready=never, within=0.2)
    with pytest.raises(ChildFailedError, match=r"waited 0\.2 s in vain for child to be ready"):
        await child.start()
    assert not child.running


async def test_a_missing_program_is_named(tmp_path: Path):
    with pytest.raises(ChildFailedError, match="there is no program /nowhere/at-all"):
        await Child("child", ["/nowhere/at-all"], tmp_path / "log").start()


async def test_a_start_that_is_cancelled_leaves_nothing(tmp_path: Path):
    async def never() -> bool:
        return False

    child = _child(tmp_path, FOREVER, ready=never)
    start = asyncio.create_task(child.start())

    async def running() -> bool:
        return child.running

    await until(running, "the child to run", within=10)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert not child.running


async def test_a_supervisor_stops_its_children_and_keeps_their_logs(tmp_path: Path):
    async with Supervisor(tmp_path / "logs") as processes:
        one = await processes.start("one", [sys.executable, "-c", FOREVER])
        two = await processes.start("two", [sys.executable, "-c", FOREVER], env={"PYTHONPATH": None})
        with pytest.raises(ValueError, match="one runs already"):
            await processes.start("one", ["true"])
        await processes.forget("two")
        assert not two.running
        assert one.running
    assert not one.running
    assert {path.name for path in (tmp_path / "logs").iterdir()} == {"one.log", "two.log"}


def test_a_free_port_is_none_that_the_kernel_hands_out():
    first_of_kernel = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert 1024 < free_port() < first_of_kernel
