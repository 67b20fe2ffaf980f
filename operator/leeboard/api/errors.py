"""Why a pass cannot go on: the object asks for the impossible, something comes first, or a neighbour is away."""


class SpecError(Exception):
    """The object asks for something that cannot be: report it, wait for a change.

    Args:
        message: One clear sentence that says what to change.
        reason: CamelCase reason of the `Stalled` condition.
    """

    def __init__(self, message: str, reason: str = "InvalidSpec") -> None:
        super().__init__(message)
        self.reason = reason


class NotYetError(Exception):
    """Something else must happen first: look later; the message says what.

    Args:
        message: One clear sentence that says what is waited for.
        reason: CamelCase reason of the `Ready` condition.
        after: Seconds until the next look, if nothing happens before.
    """

    def __init__(self, message: str, reason: str = "Waiting", after: float = 10.0) -> None:
        super().__init__(message)
        self.reason = reason
        self.after = after


class TransientError(Exception):
    """A neighbour is away: back off; the message names it and says what to do.

    Args:
        message: One clear sentence that names the neighbour and its address.
        reason: CamelCase reason of the `Ready` condition.
    """

    def __init__(self, message: str, reason: str = "ServiceUnavailable") -> None:
        super().__init__(message)
        self.reason = reason
