"""A real Prometheus that scrapes what stands in the files of a folder, often enough for a demonstration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from leeboard.sandbox import programs
from leeboard.sandbox.processes import Supervisor, answers, free_port


async def start_prometheus(
    processes: Supervisor,
    folder: Path,
    targets: Path,
    *,
    interval: str = "1s",
    rules: Sequence[Path] = (),
    say: programs.Say = programs.quiet,
) -> str:
    """Start Prometheus as the child `prometheus`, and return its URL when it answers.

    Args:
        processes: whose child it becomes.
        folder: where its configuration and data go.
        targets: folder of `*.json` files, each a list of `{"targets": ["host:port"], "labels": {...}}`; a file that
            comes, changes or goes counts within six seconds. The label `__metrics_path__` replaces `/metrics`.
        interval: how often each target is scraped, and each rule evaluated.
        rules: files of alerts and recording rules.
        say: is told what is downloaded or built when the program is missing.

    Raises:
        PartMissing: there is no Prometheus, and it cannot be had.
        ChildFailedError: it did not come up.
    """
    program = (await programs.ensure([programs.PROMETHEUS], say))[programs.PROMETHEUS]
    url = f"http://127.0.0.1:{free_port()}"
    flags = [
        f"--config.file={_write_configuration(folder, targets, interval, rules)}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={url.removeprefix('http://')}",
        "--log.level=warn",
    ]

    async def ready() -> bool:
        return await answers(f"{url}/-/ready")

    await processes.start("prometheus", [program, *flags], ready=ready)
    return url


def _write_configuration(folder: Path, targets: Path, interval: str, rules: Sequence[Path]) -> Path:
    files = {"files": [str(targets.absolute() / "*.json")], "refresh_interval": "1s"}
    configuration = {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "rule_files": [str(path.absolute()) for path in rules],
        "scrape_configs": [{"job_name": "leeboard", "file_sd_configs": [files]}],
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "prometheus.yaml"
    path.write_text(yaml.safe_dump(configuration, sort_keys=False))
    return path
