"""People's actions: annotations on an object, and how their values are written and read."""

import re
from dataclasses import dataclass

from leeboard.api import GROUP

PROMOTE = f"{GROUP}/promote"
"""On a ModelDeployment: approve the pending step of this version; with /full skip the remaining stages."""
ABORT = f"{GROUP}/abort"
"""On a ModelDeployment: give up the rollout of this version."""
RETRY = f"{GROUP}/retry"
"""On a ModelDeployment: try this rejected version again."""
RESTART = f"{GROUP}/restart"
"""On a ModelDeployment: another token makes another arm, of the present images, that comes in by a rollout."""
RETRAIN = f"{GROUP}/retrain"
"""On a RetrainPolicy: start a run; the value is a token, and each token starts at most one."""

_ACTION = re.compile(r"(?P<version>[1-9][0-9]{0,8})(?P<full>/full)?(?:/(?P<nonce>[A-Za-z0-9:._-]{1,64}))?", re.ASCII)
_TOKEN = re.compile(r"[A-Za-z0-9:._-]{1,64}", re.ASCII)


@dataclass(frozen=True)
class Action:
    """What an annotation about a version asks for: `<version>[/full][/<nonce>]`."""

    version: str
    """The version that it is about."""
    full: bool = False
    """Skip the remaining stages (promote only)."""
    nonce: str = ""
    """Makes the value new, so that the same can be asked for again; the command line adds the time."""

    def __str__(self) -> str:
        """Return the annotation's value."""
        return "/".join(part for part in (self.version, "full" if self.full else "", self.nonce) if part)


def parse_action(value: str) -> Action:
    """Read the value of a promote, abort or retry annotation.

    Raises:
        ValueError: the value is no such action; the message says how one is written.
    """
    found = _ACTION.fullmatch(value)
    if found is None:
        raise ValueError(f"{value[:80]!r} is no action: write <version>, <version>/<nonce> or <version>/full/<nonce>")
    return Action(version=found["version"], full=found["full"] is not None, nonce=found["nonce"] or "")


def parse_token(value: str) -> str:
    """Read the value of a retrain annotation.

    Raises:
        ValueError: the value is no token.
    """
    if not _TOKEN.fullmatch(value):
        raise ValueError(f"{value[:80]!r} is no token: write up to 64 letters, digits, or any of : . _ -")
    return value
