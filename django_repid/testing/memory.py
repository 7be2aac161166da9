"""A look into a queue of the broker in memory."""

from collections.abc import Callable
from dataclasses import dataclass, field

from django_repid.brokers.memory.message_broker import InMemoryMessageBroker
from django_repid.brokers.memory.records import category
from django_repid.core import clock
from django_repid.core.connection import Connection
from django_repid.core.message import MessageCategory, StoredMessage
from django_repid.core.queue import Queue


class Messages(list[StoredMessage]):
    """Messages, oldest first."""

    def qsize(self) -> int:
        """Return how many there are."""
        return len(self)


@dataclass(frozen=True, slots=True)
class InMemoryQueue:
    """What is in a queue at a moment: due, due later, dead, and being run."""

    simple: Messages = field(default_factory=Messages)
    delayed: Messages = field(default_factory=Messages)
    dead: Messages = field(default_factory=Messages)
    processing: Messages = field(default_factory=Messages)


GetInMemoryQueueT = Callable[[Queue | str], InMemoryQueue | None]


def look(connection: Connection, queue: Queue | str) -> InMemoryQueue | None:
    """Return what is in a queue now; None if nothing is, or if the broker is another one."""
    broker = connection.message_broker
    if not isinstance(broker, InMemoryMessageBroker):
        return None
    name = queue.name if isinstance(queue, Queue) else queue
    found, now = InMemoryQueue(), clock.now_us()
    rooms = {
        MessageCategory.NORMAL: found.simple,
        MessageCategory.DELAYED: found.delayed,
        MessageCategory.DEAD: found.dead,
        None: found.processing,
    }
    for message in broker.snapshot(name):
        rooms[category(message, now)].append(message)
    return found if any(rooms.values()) else None
