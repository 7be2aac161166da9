"""New messages into their table, with their args buckets."""

from collections.abc import Iterator, Sequence

from django.db import connections, transaction

from django_repid.brokers.database import rows
from django_repid.brokers.database.access import transaction_on
from django_repid.brokers.database.bucket_broker import bucket_values
from django_repid.brokers.database.renewal import renew
from django_repid.brokers.database.statements import Statements
from django_repid.core.bucket import BucketRecord, args_record
from django_repid.core.errors import BrokerUnavailable, DuplicateJob
from django_repid.core.message import Enqueued, MessageState, NewMessage, OnDuplicate, RoutingKey

#: What one statement carries at most: MariaDB takes packets of 16 MiB by default.
_CHUNK_ROWS = 1000
_CHUNK_BYTES = 4 * 1024 * 1024

#: The states in which a message gives way to a new one of its id. A dead one never blocks.
_REPLACEABLE: dict[OnDuplicate | None, tuple[int, ...]] = {
    None: (),
    OnDuplicate.SKIP: (MessageState.DEAD.value,),
    OnDuplicate.RAISE: (MessageState.DEAD.value,),
    OnDuplicate.REPLACE: (MessageState.READY.value, MessageState.DEAD.value),
}


#: Stands for the recurring ones, which are no duplicates.
_RENEWED = (-1,)


def write(
    alias: str, statements: Statements, messages: Sequence[NewMessage], *, store_args: bool
) -> list[Enqueued]:
    """Write messages, all or none, in the caller's transaction where there is one."""
    if len(messages) == 1 and messages[0].on_duplicate is None:
        record = args_record(messages[0]) if store_args else None
        if record is None or statements.writes_args_at_once:
            return [_write_one(alias, statements, messages[0], record)]
    # An error that leaves a block without a savepoint would spoil the caller's transaction.
    may_refuse = any(m.on_duplicate is OnDuplicate.RAISE for m in messages)
    answers: dict[int, Enqueued] = {}
    with transaction_on(alias, savepoint=may_refuse):
        for places in _chunks(messages):
            chunk = [messages[place] for place in places]
            answers.update(zip(places, _write_chunk(alias, statements, chunk), strict=True))
        if store_args:
            _store_args(alias, statements, messages, answers)
    return [answers[place] for place in range(len(messages))]


def _write_one(
    alias: str, statements: Statements, message: NewMessage, args: BucketRecord | None
) -> Enqueued:
    """Write a message whose id cannot clash, in one statement: one round trip, no transaction."""
    connection = connections[alias]
    new, run_at = [rows.new_message(message)], [message.run_at]
    with transaction.mark_for_rollback_on_error(using=alias):
        if args is None:
            written = statements.enqueue(connection, new, run_at, ())
        else:
            written = statements.enqueue_with_args(connection, new, run_at, args)
    ((pk, lease, at),) = written.values()
    key = message.key
    key = RoutingKey(key.topic, key.queue, key.priority, key.id_, pk, lease)
    return Enqueued(key=key, duplicate=False, enqueued_at=at)


def _chunks(messages: Sequence[NewMessage]) -> Iterator[list[int]]:
    """Yield places of messages that one statement can take: one policy, no id twice, not too much.

    Equal ids stay in their order, so that the later one meets the earlier one in the table: it goes
    into a chunk that is written later.
    """
    chunks: list[list[int]] = []
    open_chunks: dict[tuple[int, ...], tuple[int, int]] = {}  # policy -> number of chunk, its size
    chunk_of: dict[str, int] = {}
    for place, message in enumerate(messages):
        policy = _RENEWED if message.renews else _REPLACEABLE[message.on_duplicate]
        number, size = open_chunks.get(policy, (-1, 0))
        full = number < 0 or len(chunks[number]) >= _CHUNK_ROWS or size > _CHUNK_BYTES
        if full or number <= chunk_of.get(message.key.id_, -1):
            number, size = len(chunks), 0
            chunks.append([])
        chunks[number].append(place)
        chunk_of[message.key.id_] = number
        open_chunks[policy] = (number, size + len(message.payload or ""))
    yield from chunks


def _write_chunk(alias: str, statements: Statements, chunk: Sequence[NewMessage]) -> list[Enqueued]:
    connection = connections[alias]
    if chunk[0].renews:
        # In the order of their ids: they stay locked, and others may write the same ones.
        by_id = sorted(chunk, key=lambda message: message.key.id_)
        renewed = {one.key.id_: renew(connection, statements, one) for one in by_id}
        return [renewed[message.key.id_] for message in chunk]
    policy = _REPLACEABLE[chunk[0].on_duplicate]
    left = {message.key.id_: message for message in chunk}
    found: dict[str, Enqueued] = {}
    for _ in range(3):  # one that stood in the way may be settled before it is looked at
        new = [rows.new_message(message) for message in left.values()]
        run_at = [message.run_at for message in left.values()]
        for id_, written in statements.enqueue(connection, new, run_at, policy).items():
            pk, lease, at = written
            key = left.pop(id_).key
            key = RoutingKey(key.topic, key.queue, key.priority, id_, pk, lease)
            found[id_] = Enqueued(key=key, duplicate=False, enqueued_at=at)
        if left:
            now = statements.read_now(connection)
            for id_, row in statements.standing(connection, list(left)).items():
                found[id_] = _duplicate(left.pop(id_), row, now)
        if not left:
            return [found[message.key.id_] for message in chunk]
    text = f"These ids come and go too fast to be written: {', '.join(left)}. Enqueue again."
    raise BrokerUnavailable(text)


def _duplicate(message: NewMessage, row: Sequence[object], now: int) -> Enqueued:
    if message.on_duplicate is OnDuplicate.RAISE:
        raise DuplicateJob.of(message.key.id_)
    standing = rows.message(row)
    return Enqueued(key=standing.key, duplicate=True, enqueued_at=now, standing=standing.spec)


def _store_args(
    alias: str,
    statements: Statements,
    messages: Sequence[NewMessage],
    answers: dict[int, Enqueued],
) -> None:
    """Store the args buckets of what was written: a duplicate's stays as it is."""
    records = [
        record
        for place, message in enumerate(messages)
        if not answers[place].duplicate and (record := args_record(message)) is not None
    ]
    if not records:
        return
    connection = connections[alias]
    now = max(answer.enqueued_at or 0 for answer in answers.values())
    statements.store_buckets(connection, bucket_values(records, now))
    if chosen := sorted({record.id_ for record in records if not record.generated}):
        statements.free(connection, chosen)
