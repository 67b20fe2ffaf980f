"""A log is a Delta table and those that were opened beside it, when columns came that could not be united with it."""

from deltalake import DeltaTable

MAX_EPOCHS = 100


def epochs(uri: str) -> list[tuple[str, DeltaTable]]:
    """Return the tables of a log by their URIs, the first one first; none while there is none."""
    tables = []
    for number in range(1, MAX_EPOCHS + 1):
        address = epoch_uri(uri, number)
        if not DeltaTable.is_deltatable(address):
            break
        tables.append((address, DeltaTable(address)))
    return tables


def epoch_uri(uri: str, number: int) -> str:
    """Return the URI of the number-th table of a log, counted from 1."""
    return uri if number == 1 else f"{uri.rstrip('/')}-{number}"
