"""A queue by its name."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator
from typing import Any

from asgiref.sync import markcoroutinefunction

from django_repid.core.browsing import Message
from django_repid.core.connection import Connection, get_connection
from django_repid.core.host import host
from django_repid.core.loud import Loud, require_loop
from django_repid.core.message import MessageCategory
from django_repid.core.names import check_queue_name

#: Messages that one step of a flush removes, and the seconds that it leaves to others after it.
_STEP = 500
_PAUSE_SECONDS = 0.05


class Queue:
    """A queue. It need not be declared: it exists as soon as a message is in it."""

    def __init__(self, name: str = "default", connection: str | Connection | None = None) -> None:
        self.name = check_queue_name(name)
        self._connection = connection

    def __repr__(self) -> str:
        return f"Queue({self.name!r})"

    def __str__(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Queue) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    async def get_messages(
        self,
        topics: Iterable[str] | None = None,
        *,
        category: MessageCategory = MessageCategory.NORMAL,
    ) -> AsyncIterator[Message]:
        """Look through what is due (NORMAL), DELAYED or DEAD, oldest enqueued first, and end.

        Nothing is claimed: each message stays where it is, and a worker may take a NORMAL one at
        any moment. `topics` None means all.

        Raises:
            ValueError: there is no such category.

        """
        connection, looking = get_connection(self._connection), _Looking(self, topics, category)
        while page := await connection.run(looking.page, connection):
            for message in page:
                yield message

    def get_messages_sync(
        self,
        topics: Iterable[str] | None = None,
        *,
        category: MessageCategory = MessageCategory.NORMAL,
    ) -> Iterator[Message]:
        """Look through messages on this thread; see `get_messages`."""
        host().guard_sync("queue.get_messages_sync")
        connection, looking = get_connection(self._connection), _Looking(self, topics, category)
        while page := looking.page(connection):
            yield from page

    @markcoroutinefunction
    def declare(self) -> Coroutine[Any, Any, None]:
        """Tell the subscribers of `queue_declare`: there is nothing else to do."""
        require_loop("queue.declare()", "queue.declare_sync()")
        return Loud(self._declare(), f"{self!r}.declare()")

    def declare_sync(self) -> None:
        """Tell the subscribers of `queue_declare`."""
        host().guard_sync("queue.declare_sync")
        middleware = get_connection(self._connection).middleware
        middleware.emit("before_queue_declare", queue_name=self.name)
        middleware.emit("after_queue_declare", queue_name=self.name, result=None)

    @markcoroutinefunction
    def flush(self) -> Coroutine[Any, Any, int]:
        """Remove what waits or is dead, in steps, and return how many; what runs is left alone.

        No result is stored for what is removed: whoever waits for one waits in vain.
        """
        require_loop("queue.flush()", "queue.flush_sync()")
        return Loud(self._empty("queue_flush"), f"{self!r}.flush()")

    def flush_sync(self) -> int:
        """Remove what waits or is dead; see `flush`."""
        host().guard_sync("queue.flush_sync")
        return self._empty_sync("queue_flush")

    @markcoroutinefunction
    def delete(self) -> Coroutine[Any, Any, int]:
        """Remove what waits or is dead as `flush` does, and forget that the queue is paused."""
        require_loop("queue.delete()", "queue.delete_sync()")
        return Loud(self._empty("queue_delete"), f"{self!r}.delete()")

    def delete_sync(self) -> int:
        """Remove what waits or is dead, and forget a pause; see `delete`."""
        host().guard_sync("queue.delete_sync")
        return self._empty_sync("queue_delete")

    async def _declare(self) -> None:
        middleware = get_connection(self._connection).middleware
        await middleware.emit_async("before_queue_declare", queue_name=self.name)
        await middleware.emit_async("after_queue_declare", queue_name=self.name, result=None)

    async def _empty(self, verb: str) -> int:
        connection = get_connection(self._connection)
        await connection.middleware.emit_async(f"before_{verb}", queue_name=self.name)
        count = step = await connection.run(connection.message_broker.flush, self.name, _STEP)
        while step == _STEP:
            await asyncio.sleep(_PAUSE_SECONDS)
            step = await connection.run(connection.message_broker.flush, self.name, _STEP)
            count += step
        if verb == "queue_delete":
            await connection.run(connection.message_broker.resume, self.name)
        await connection.middleware.emit_async(f"after_{verb}", queue_name=self.name, result=count)
        return count

    def _empty_sync(self, verb: str) -> int:
        connection = get_connection(self._connection)
        connection.middleware.emit(f"before_{verb}", queue_name=self.name)
        count = step = connection.message_broker.flush(self.name, _STEP)
        while step == _STEP:
            time.sleep(_PAUSE_SECONDS)
            step = connection.message_broker.flush(self.name, _STEP)
            count += step
        if verb == "queue_delete":
            connection.message_broker.resume(self.name)
        connection.middleware.emit(f"after_{verb}", queue_name=self.name, result=count)
        return count


class _Looking:
    """A look through the messages of one category, page by page."""

    def __init__(
        self, queue: Queue, topics: Iterable[str] | None, category: MessageCategory
    ) -> None:
        self._queue = queue.name
        self._topics = None if topics is None else frozenset(topics)
        self._category = MessageCategory(category)
        self._after = 0

    def page(self, connection: Connection) -> list[Message]:
        """Return the next page; an empty one is the end."""
        found = connection.message_broker.browse(
            self._queue, self._category, topics=self._topics, after=self._after
        )
        if found:
            self._after = found[-1].key.pk or 0
        return [Message(stored, self._category, connection) for stored in found]
