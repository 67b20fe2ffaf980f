"""Carries closed segments of the journal into the tables, in order, each exactly once whatever crashes in between."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any

import orjson
import pyarrow as pa
from prometheus_client import Counter

from leeboard_workers.serving.collector.pairing import Pairing
from leeboard_workers.serving.collector.rows import Taken, label_tables, prediction_tables
from leeboard_workers.serving.collector.tables import LogTable
from leeboard_workers.serving.collector.upkeep import Upkeep

_OPEN_TABLES = 256
_BLOCK_BYTES = 8 * 2**20
"""Documents of so many bytes are in memory as objects at once."""

_UNROWABLE = (ValueError, TypeError, KeyError, OverflowError, pa.ArrowException)

_log = logging.getLogger(__name__)

Owner = tuple[str, str]
"""Namespace and name of a ModelDeployment."""


class Tables:
    """The tables of all ModelDeployments; carried into by one thread at a time."""

    def __init__(self, root: str, journal: str, upkeep: Upkeep, repeats: Counter, unpaired: Counter) -> None:
        """Remember the root.

        Args:
            root: URI of the folder of all tables.
            journal: Identity of the journal.
            upkeep: How tables are kept, and how the store is reached.
            repeats: Counts rows that came again.
            unpaired: Counts events whose other half never came.
        """
        self._root = root.rstrip("/")
        self._journal = journal
        self._upkeep = upkeep
        self._repeats = repeats
        self._tables: OrderedDict[str, LogTable] = OrderedDict()
        self._touched: dict[str, LogTable] = {}
        """Those that the segment under way goes into: never closed meanwhile."""
        self._opening = threading.Lock()
        self.pairing = Pairing(unpaired)

    def uri(self, owner: Owner, kind: str) -> str:
        """Return where a table lies."""
        return f"{self._root}/{owner[0]}/{owner[1]}/{kind}"

    def table(self, owner: Owner, kind: str) -> LogTable:
        """Return a table; what is there is looked at once, and again when many others were asked for."""
        uri = self.uri(owner, kind)
        with self._opening:
            found = self._tables.pop(uri, None)
            if found is None:
                found = LogTable(uri, self._journal, self._upkeep, labels=kind == "labels")
            self._tables[uri] = found
            if len(self._tables) > _OPEN_TABLES + len(self._touched):
                del self._tables[next(uri for uri in self._tables if uri not in self._touched)]
            return found

    def carry(self, records: Iterable[bytes], segment: int) -> None:
        """Append a segment's records to their tables, those that are not there yet."""
        waiting = self.pairing.snapshot()
        try:
            for (owner, kind), taken in self._blocks(records, segment):
                table = self._touched.get(self.uri(owner, kind)) or self.table(owner, kind)
                self._touched[table.uri] = table
                for rows in _rows(kind, taken, table):
                    self._repeats.inc(table.add(rows))
            for table in self._touched.values():
                table.commit(segment)
        except Exception:
            self.pairing.restore(waiting)
            with self._opening:
                for uri in self._touched:  # what was added and not committed is added again next time
                    self._tables.pop(uri, None)
            self._touched = {}
            raise
        for table in self._touched.values():
            table.keep()
        self._touched = {}

    def _blocks(self, records: Iterable[bytes], segment: int) -> Iterator[tuple[tuple[Owner, str], list[Taken]]]:
        """Group documents by table, as many at a time as memory is meant to hold."""
        block: dict[tuple[Owner, str], list[Taken]] = {}
        size = 0
        for record in records:
            entry = orjson.loads(record)
            kind, time = entry["kind"], entry["time"]
            documents = entry["documents"]
            if kind == "events":
                kind, documents = "predictions", self.pairing.pairs(documents, segment, time, len(record))
            for document in documents:
                owner = (document["namespace"], document["modelDeployment"])
                block.setdefault((owner, kind), []).append((document, time))
            size += len(record)
            if size > _BLOCK_BYTES:
                yield from block.items()
                block, size = {}, 0
        yield from block.items()


def _rows(kind: str, taken: list[Taken], table: LogTable) -> Iterator[pa.Table]:
    try:
        tables = list(_tables(kind, taken, table))
    except _UNROWABLE:
        if len(taken) == 1:  # it would block all that follow
            _log.exception("a document of %s of %s was acknowledged and cannot be turned into rows", kind, table.uri)
            return
        for one in taken:
            yield from _rows(kind, [one], table)
    else:
        yield from tables


def _tables(kind: str, taken: list[Taken], table: LogTable) -> Iterator[pa.Table]:
    if kind == "labels":
        for document, time in taken:
            yield from label_tables(document["labels"], time)
    else:
        yield from prediction_tables(taken, table.stored)


def tally(records: Iterable[bytes]) -> dict[tuple[Owner, str], int]:
    """Count the predictions and labels of a segment's records by table."""
    rows: dict[tuple[Owner, str], int] = {}
    for record in records:
        entry = orjson.loads(record)
        count(rows, entry["kind"], entry["documents"])
    return rows


def count(rows: dict[tuple[Owner, str], int], kind: str, documents: Iterable[dict[str, Any]]) -> None:
    """Add the rows of documents to the counts; events count when they have become rows."""
    if kind == "events":
        return
    for document in documents:
        key = ((document["namespace"], document["modelDeployment"]), kind)
        rows[key] = rows.get(key, 0) + len(document[kind])
