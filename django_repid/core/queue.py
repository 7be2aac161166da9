"""A queue by its name, and the messages in it as people handle them."""

from collections.abc import AsyncIterator, Iterable, Mapping

from django_repid.core import settlement
from django_repid.core.connection import Connection, get_connection
from django_repid.core.errors import LeaseLost
from django_repid.core.message import (
    MessageCategory,
    Parameters,
    RoutingKey,
    StoredMessage,
)
from django_repid.core.names import check_queue_name


class Message:
    """One message of a queue, as it stood when it was looked at. It is not claimed."""

    def __init__(self, stored: StoredMessage, category: MessageCategory, connection: Connection):
        self._stored = stored
        self._connection = connection
        self.category = category

    @property
    def key(self) -> RoutingKey:
        """Its address."""
        return self._stored.key

    @property
    def parameters(self) -> Parameters:
        """Its terms."""
        return self._stored.parameters

    @property
    def raw_payload(self) -> str:
        """The serialized arguments that it carries; empty if they are in a bucket."""
        return self._stored.payload or ""

    @property
    def args_id(self) -> str | None:
        """The bucket that holds its arguments, if they are in one."""
        return self._stored.args_id

    @property
    def headers(self) -> Mapping[str, str]:
        """The small texts that travel with it."""
        return self._stored.headers

    @property
    def dead_reason(self) -> str:
        """Why it is dead, in one line; empty if it is not."""
        return self._stored.dead_reason

    async def reschedule(self) -> None:
        """Let the job start over now, with all its tries.

        Raises:
            LeaseLost: the message is no longer what it was when it was looked at.

        """
        await self._connection.run(self._reschedule)

    def _reschedule(self) -> None:
        broker = self._connection.message_broker
        seized = broker.seize(self.key.id_, [self._stored.state])
        if seized is not None and seized.key.pk == self.key.pk:
            self._connection.settle([settlement.anew(seized, at=broker.now_us())])
            return
        if seized is not None:  # another job has taken the id since: it stays as it was
            back = settlement.again(seized, run_at=seized.run_at, tries=seized.tries)
            self._connection.settle([back])
        message = f"Message {self.key.id_} is not {self._stored.state.name} any more."
        raise LeaseLost(message)


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
        category: MessageCategory,
    ) -> AsyncIterator[Message]:
        """Look through the DELAYED or the DEAD messages, oldest enqueued first, and end.

        Nothing is claimed: each message stays where it is. `topics` None means all.

        Raises:
            ValueError: NORMAL messages cannot be looked through: a worker takes them.

        """
        if category is MessageCategory.NORMAL:
            text = "Only DELAYED and DEAD messages can be browsed; NORMAL ones are a worker's."
            raise ValueError(text)
        connection = get_connection(self._connection)
        only = None if topics is None else frozenset(topics)
        after = 0
        while True:
            page = await connection.run(
                connection.message_broker.browse, self.name, category, topics=only, after=after
            )
            for stored in page:
                yield Message(stored, category, connection)
            if not page:
                return
            after = page[-1].key.pk or 0
