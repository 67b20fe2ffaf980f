"""Compiles the few inner loops that run over every value: native code, without the GIL, compiled once per machine.

numba keeps what it compiled beside the module, or where NUMBA_CACHE_DIR says. Where neither can be written, as in a pod
with a read-only root, it goes to a folder of this user under the temporary directory; where nothing at all can be
written each process compiles for itself.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Return the function as native code; it is compiled at its first call, or read from the cache."""
    try:
        return _jit(function, cache=True)
    except RuntimeError:  # numba's way to say that there is no place for a cache
        numba.config.CACHE_DIR = private_folder()
        return _jit(function, cache=bool(numba.config.CACHE_DIR))


def private_folder() -> str:
    """Return a folder that only this user can have written, for machine code is trusted; empty if there is none."""
    user = os.getuid()
    folder = Path(tempfile.gettempdir()) / f"leeboard-native-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return ""
    ours = found.st_uid == user and (found.st_mode & 0o777) == 0o700  # noqa: PLR2004 (readable by nobody else)
    return str(folder) if ours and not folder.is_symlink() else ""


def _jit(function: F, *, cache: bool) -> F:
    native: F = numba.njit(nogil=True, cache=cache)(function)
    return native
