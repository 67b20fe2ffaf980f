"""Leeboard: MMD² and its p-value; on torch where it is installed, else on numpy."""

import numpy as np
from measured import measured

from leeboard_workers.drift.multivariate import Device, Permuting, Sides, fastest, maximum_mean_discrepancy


def best() -> tuple[Device, str]:
    """Return where to compute, and its name; torch even without a GPU, to see that the numbers are the same."""
    try:
        import array_api_compat.torch  # noqa: PLC0415 (not in every environment)
        import torch  # noqa: PLC0415
    except ImportError:
        return fastest(), "numpy"
    return (fastest(), "torch, GPU") if torch.cuda.is_available() else (Device(array_api_compat.torch), "torch, CPU")


def prepare(rows: int, width: int):
    """Draw both sides."""
    device, name = best()
    random = np.random.default_rng(0)
    then = random.normal(size=(rows, width)).astype(np.float32)
    now = (random.normal(size=(rows, width)) + 0.1).astype(np.float32)

    def work() -> dict[str, object]:
        sides = Sides.cut(then, now, spans=rows)
        found = maximum_mean_discrepancy(sides, permuting=Permuting(permutations=100), device=device)
        return {"statistic": found.statistic, "p_value": found.p_value, "device": name}

    return work


measured(prepare)
