"""Leeboard: joint tests of what texts mean, by the language model that the extra `text` brings."""

import ast
import re
import sysconfig
from pathlib import Path

import numpy as np
import pyarrow as pa
from measured import measured

from leeboard.api.multivariate import MultivariateTest
from leeboard_workers.drift.multivariate import run_joint_test
from leeboard_workers.drift.together import Together, joint_task

TOPICS = {
    "networks": ("http", "email", "urllib", "asyncio", "socket.py", "ssl.py", "smtplib.py", "ftplib.py", "xmlrpc"),
    "numbers": ("statistics.py", "fractions.py", "_pydecimal.py", "random.py", "numbers.py", "calendar.py", "heapq.py"),
}
ROWS = 100
TRIALS = 5


def sentences(topic: str) -> list[str]:
    """Return the first sentences of what the standard library says of its functions."""
    root = Path(sysconfig.get_paths()["stdlib"])
    places = [root / name for name in TOPICS[topic]]
    files = [file for place in places for file in ([place] if place.suffix else sorted(place.rglob("*.py")))]
    found = []
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8", errors="replace"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
                said = re.split(r"(?<=[.!?])\s", (ast.get_docstring(node) or "").strip())[0].replace("\n", " ")
                found += [said] if len(said.split()) > 3 else []
    return sorted(set(found))


def prepare(embed: bool):  # noqa: FBT001 (a parameter of the script)
    """Draw reference and windows."""
    known = {topic: sentences(topic) for topic in TOPICS}
    reduce = {"reduce": {"sentenceEmbeddings": {"columns": ["said"]}}} if embed else {}
    test = MultivariateTest.model_validate(
        {"energyDistance": {"permutations": 199, **reduce}, "alpha": 0.05, "minEffect": 0.0}
    )

    def p_value(topic: str, trial: int) -> float:
        """Draw without replacement: a window of the reference's topic holds other sentences of it."""
        random = np.random.default_rng(trial)
        own = random.permutation(known["networks"])
        now = own[ROWS : 2 * ROWS] if topic == "networks" else random.permutation(known[topic])[:ROWS]
        then, now = (pa.table({"said": list(side)}) for side in (own[:ROWS], now))
        task = joint_task(test.model_copy(update={"spans": ROWS}), Together(then, now), {"said": 1.0})
        return run_joint_test(task).p_value

    def work() -> dict[str, object]:
        found = {topic: [p_value(topic, trial) for trial in range(TRIALS)] for topic in TOPICS}
        shares = {topic: float(np.mean(np.array(values) < 0.05)) for topic, values in found.items()}
        return {"sentences": {topic: len(texts) for topic, texts in known.items()}, "found": shares}

    return work


measured(prepare)
