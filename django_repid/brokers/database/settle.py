"""The ends of claims into their tables: rows that go or change, results, failures."""

from collections.abc import Sequence
from typing import Any

from django_repid.brokers.database import renewal, rows
from django_repid.brokers.database.bucket_broker import bucket_values
from django_repid.brokers.database.statements import Statements
from django_repid.core.message import MessageState
from django_repid.core.settlement import Settlement

#: Messages that one statement locks.
_CHUNK = 500


def write(
    connection: Any, statements: Statements, ends: Sequence[Settlement], *, store_results: bool
) -> frozenset[int]:
    """Write settlements inside the caller's transaction; return the keys of lost leases."""
    by_key = sorted(ends, key=lambda end: end.message.key.pk or 0)
    own: list[Settlement] = []
    for start in range(0, len(by_key), _CHUNK):
        own += _write_rows(connection, statements, by_key[start : start + _CHUNK])
    _write_beside(connection, statements, own, store_results=store_results)
    if len(own) == len(ends):
        return frozenset()
    kept = {end.message.key.pk for end in own}
    return frozenset(end.message.key.pk or 0 for end in by_key) - kept


def _write_rows(
    connection: Any, statements: Statements, ends: Sequence[Settlement]
) -> list[Settlement]:
    """Write the messages' own rows; return the settlements whose lease still held."""
    held = statements.held(connection, [end.message.key.pk or 0 for end in ends])
    own = [end for end in ends if held.get(end.message.key.pk or 0) == end.message.key.lease]
    if any(map(_ends_occurrence, own)):
        own = [
            *(end for end in own if not _ends_occurrence(end)),
            *renewal.apply(connection, statements, [end for end in own if _ends_occurrence(end)]),
        ]
    gone = [end.message.key.pk or 0 for end in own if end.state is None]
    changes = [(end.message.key.pk or 0, rows.update(end)) for end in own if end.state is not None]
    if gone:
        statements.remove(connection, gone)
    if changes:
        statements.change(connection, changes)
    return own


def _ends_occurrence(end: Settlement) -> bool:
    """Whether this is the end of a recurring job's occurrence, or of the whole job."""
    return end.message.spec.again is not None and (
        end.recurs or end.state is None or end.state is MessageState.DEAD
    )


def _write_beside(
    connection: Any, statements: Statements, own: Sequence[Settlement], *, store_results: bool
) -> None:
    """Write results and failures, and free what waits for the results."""
    records = [end.result for end in own if end.result is not None]
    failures = [rows.failure(end) for end in own if end.failure is not None]
    if failures:
        statements.store_failures(connection, failures)
    if records and store_results:
        records.sort(key=lambda record: record.finished_ns or 0)  # of equal ids the last one stays
        now = max(record.stored_at or 0 for record in records)
        statements.store_buckets(connection, bucket_values(records, now))
        if statements.anybody_waits(connection):
            statements.free(connection, sorted({record.id_ for record in records}))
