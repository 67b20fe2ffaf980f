"""What the API server may answer instead of doing what it was asked."""


class AlreadyExistsError(Exception):
    """An object of this name is there already."""


class ConflictError(Exception):
    """Someone else wrote the object since it was read: look again."""


class RefusedError(Exception):
    """The API server will not do this, however often it is asked; the message says why."""


class GoneError(RefusedError):
    """The object, or its namespace, is not there any more."""
