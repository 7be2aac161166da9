"""The way of new messages into their stores, from coroutines and from synchronous code."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from django_repid.core.bucket import args_record
from django_repid.core.connection import Connection
from django_repid.core.message import Enqueued, NewMessage
from django_repid.core.middleware import Middleware


@dataclass(frozen=True, slots=True)
class Order:
    """One message for one connection."""

    connection: Connection
    message: NewMessage


def place_sync(orders: Sequence[Order]) -> list[Enqueued]:
    """Write messages on the calling thread, all or none of each connection's."""
    answers: dict[int, Enqueued] = {}
    for connection, places in _by_connection(orders):
        messages = [orders[place].message for place in places]
        events = list(_events(connection.middleware, messages))
        for verb, arguments in events:
            connection.middleware.emit(f"before_{verb}", **arguments)
        written = connection.enqueue(messages)
        for verb, arguments in events:
            connection.middleware.emit(f"after_{verb}", **arguments, result=None)
        if connection.run_at_once is not None:
            connection.run_at_once(written)
        answers.update(zip(places, written, strict=True))
    return [answers[place] for place in range(len(orders))]


async def place(orders: Sequence[Order]) -> list[Enqueued]:
    """Write messages from a coroutine, all or none of each connection's."""
    answers: dict[int, Enqueued] = {}
    for connection, places in _by_connection(orders):
        messages = [orders[place].message for place in places]
        events = list(_events(connection.middleware, messages))
        for verb, arguments in events:
            await connection.middleware.emit_async(f"before_{verb}", **arguments)
        written = await connection.run(connection.enqueue, messages)
        for verb, arguments in events:
            await connection.middleware.emit_async(f"after_{verb}", **arguments, result=None)
        if connection.run_at_once is not None:
            await connection.run(connection.run_at_once, written)
        answers.update(zip(places, written, strict=True))
    return [answers[place] for place in range(len(orders))]


def _by_connection(orders: Sequence[Order]) -> Iterator[tuple[Connection, list[int]]]:
    groups: dict[Connection, list[int]] = {}
    for place, order in enumerate(orders):
        groups.setdefault(order.connection, []).append(place)
    yield from groups.items()


def _events(
    middleware: Middleware, messages: Iterable[NewMessage]
) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield the events of messages that somebody listens to: their args buckets, and themselves."""
    if not middleware.has_subscribers:
        return
    stores, enqueues = middleware.listens("store_bucket"), middleware.listens("enqueue")
    for message in messages:
        record = args_record(message) if stores else None
        if record is not None:
            yield "store_bucket", {"id_": record.id_, "payload": record.bucket}
        if enqueues:
            payload = message.payload if message.args is None else message.args
            yield (
                "enqueue",
                {"key": message.key, "payload": payload or "", "params": message.parameters},
            )
