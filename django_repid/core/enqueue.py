"""The way of new messages into their stores, from coroutines and from synchronous code."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django_repid.core.connection import Connection
from django_repid.core.message import Enqueued, NewMessage


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
        listened = connection.middleware.listens("enqueue")
        if listened:
            for message in messages:
                connection.middleware.emit("before_enqueue", **_arguments(message))
        written = connection.enqueue(messages)
        if listened:
            for message in messages:
                connection.middleware.emit("after_enqueue", **_arguments(message), result=None)
        answers.update(zip(places, written, strict=True))
    return [answers[place] for place in range(len(orders))]


async def place(orders: Sequence[Order]) -> list[Enqueued]:
    """Write messages from a coroutine, all or none of each connection's."""
    answers: dict[int, Enqueued] = {}
    for connection, places in _by_connection(orders):
        messages = [orders[place].message for place in places]
        listened = connection.middleware.listens("enqueue")
        if listened:
            for message in messages:
                await connection.middleware.emit_async("before_enqueue", **_arguments(message))
        written = await connection.run(connection.enqueue, messages)
        if listened:
            for message in messages:
                await connection.middleware.emit_async(
                    "after_enqueue", **_arguments(message), result=None
                )
        answers.update(zip(places, written, strict=True))
    return [answers[place] for place in range(len(orders))]


def _by_connection(orders: Sequence[Order]) -> Iterator[tuple[Connection, list[int]]]:
    groups: dict[Connection, list[int]] = {}
    for place, order in enumerate(orders):
        groups.setdefault(order.connection, []).append(place)
    yield from groups.items()


def _arguments(message: NewMessage) -> dict[str, object]:
    payload = message.payload if message.args is None else message.args
    return {"key": message.key, "payload": payload or "", "params": message.parameters}
