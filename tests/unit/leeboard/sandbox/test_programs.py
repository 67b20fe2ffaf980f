"""Where the sandbox looks for programs, and what it does when there is none."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from leeboard.sandbox import programs

ETCD = "etcd"

# Answers `go version`, and builds by writing files into the folder after -o; counts its builds.
GO = f"""#!{sys.executable}
import pathlib, sys
here = pathlib.Path(__file__).parent
if sys.argv[1] == "version":
    print("go version go1.26.8 linux/amd64")
else:
    with (here / "builds").open("a") as builds:
        print(*sys.argv[1:], file=builds)
    target = pathlib.Path(sys.argv[sys.argv.index("-o") + 1])
    for argument in sys.argv:
        if argument.startswith("./"):
            path = target / argument[2:]
            path.write_text("built")
            path.chmod(0o755)
"""


def _program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with an empty PATH and an empty cache, and no package index."""
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)


def test_takes_the_assets_folder_before_path_and_path_before_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert programs.find(ETCD) is None
    cached = _program(programs.cached(ETCD))
    assert programs.find(ETCD) == cached
    on_path = _program(tmp_path / "path" / ETCD)
    assert programs.find(ETCD) == on_path
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    assert programs.find(ETCD) == on_path
    asset = _program(tmp_path / "assets" / ETCD)
    assert programs.find(ETCD) == asset


def test_passes_over_what_cannot_be_run():
    _program(programs.cached(ETCD)).chmod(0o644)
    assert programs.find(ETCD) is None


def test_keeps_each_version_of_kubernetes_in_a_folder_of_its_own(tmp_path: Path):
    folder = tmp_path / "cache" / "leeboard"
    assert programs.cached(ETCD) == folder / "kubernetes" / programs.kubernetes_version() / ETCD
    assert programs.cached("prometheus") == folder / "prometheus" / "prometheus"


def test_has_the_source_of_every_program_of_kubernetes():
    assert all((programs.SOURCES / name / "main.go").is_file() for name in programs.KUBERNETES)


async def test_builds_only_what_is_missing(tmp_path: Path):
    _program(tmp_path / "path" / "go", GO)
    _program(tmp_path / "path" / "kubectl")
    found = await programs.ensure(["kubectl", ETCD])
    assert found == {"kubectl": tmp_path / "path" / "kubectl", ETCD: programs.cached(ETCD)}
    (build,) = (tmp_path / "path" / "builds").read_text().splitlines()
    assert build.endswith("./etcd")
    assert f"gitVersion={programs.kubernetes_version()}" in build


async def test_two_runs_share_one_build(tmp_path: Path):
    _program(tmp_path / "path" / "go", GO)
    said: list[str] = []
    first, second = await asyncio.gather(*(programs.ensure([ETCD], said.append) for _ in range(2)))
    assert first == second == {ETCD: programs.cached(ETCD)}
    assert len((tmp_path / "path" / "builds").read_text().splitlines()) == 1
    assert any("waiting" in line for line in said)


async def test_leaves_nothing_half_made_when_a_build_fails(tmp_path: Path):
    _program(tmp_path / "path" / "go", GO.replace('path.write_text("built")', 'sys.exit("no such module")'))
    with pytest.raises(programs.PartMissing, match=r"KUBEBUILDER_ASSETS.*no such module"):
        await programs.ensure([ETCD])
    assert not list(programs.cached(ETCD).parent.iterdir())


async def test_says_in_one_sentence_how_to_get_what_cannot_be_had():
    with pytest.raises(programs.PartMissing) as failure:
        await programs.ensure([ETCD])
    message = str(failure.value)
    assert message.startswith("Go is missing: put Go 1.26 or newer on PATH")
    assert "\n" not in message


async def test_does_not_take_a_go_that_is_too_old(tmp_path: Path):
    _program(tmp_path / "path" / "go", GO.replace("go1.26.8", "go1.19.2"))
    with pytest.raises(programs.PartMissing, match="Go is missing"):
        await programs.go(programs.quiet)
