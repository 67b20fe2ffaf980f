"""What a command says instead of doing what it was asked."""


class CommandError(Exception):
    """The command cannot be done; the message is one sentence that says what to do."""
