"""A connection: the brokers that belong together, and what is done with them together.

Everything here is synchronous; `run` is the one way from a coroutine to it.
"""

import contextvars
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from typing import ClassVar, ParamSpec, TypeVar

from asgiref.sync import sync_to_async

from django_repid.core.bucket import ArgsBucket, BucketRecord, ResultBucket, args_record
from django_repid.core.errors import ConfigurationError
from django_repid.core.host import host
from django_repid.core.message import Enqueued, NewMessage, StoredMessage
from django_repid.core.middleware import Middleware
from django_repid.core.options import Options
from django_repid.core.protocols import BucketBroker, MessageBroker
from django_repid.core.serializer import SerializerT
from django_repid.core.settlement import Settlement

P = ParamSpec("P")
T = TypeVar("T")


class Connection:
    """A message broker, and the bucket brokers for arguments and results that go with it.

    Made by hand in scripts and tests, and from `REPID[alias]` in Django projects. It may be
    shared by all threads. `alias` names it in messages to people.
    """

    def __init__(
        self,
        message_broker: MessageBroker,
        args_bucket_broker: BucketBroker | None = None,
        results_bucket_broker: BucketBroker | None = None,
        *,
        options: Options | None = None,
        serializer: SerializerT | None = None,
        alias: str = "(unnamed)",
    ) -> None:
        if results_bucket_broker is not None and not results_bucket_broker.use_result_bucket:
            message = (
                "results_bucket_broker must hold result buckets: make it with "
                f"{type(results_bucket_broker).__name__}(use_result_bucket=True)."
            )
            raise ConfigurationError(message)
        self.message_broker = message_broker
        self.args_bucket_broker = args_bucket_broker
        self.results_bucket_broker = results_bucket_broker
        self.options = options or Options()
        self.serializer = serializer
        self.alias = alias
        self.middleware = Middleware()
        self.is_open = False
        #: Called with what has just been written, on its thread: runs it there (see `EAGER`).
        self.run_at_once: Callable[[Sequence[Enqueued]], None] | None = None

    def __repr__(self) -> str:
        return f"<Connection {self.alias}: {type(self.message_broker).__name__}>"

    async def connect(self) -> None:
        """Mark the connection as open. Brokers connect at their first use."""
        self.is_open = True

    async def disconnect(self) -> None:
        """Mark the connection as closed. Django's own database connections stay as they are."""
        self.is_open = False

    @property
    def blocking(self) -> bool:
        """Whether a call may wait for a socket or a file, and so must not run on an event loop."""
        brokers = (self.message_broker, self.args_bucket_broker, self.results_bucket_broker)
        return any(broker.blocking for broker in brokers if broker is not None)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `function` from a coroutine, on the thread that Django's connections live on."""
        # Async subscribers are called from synchronous code there, which no event loop may run in.
        # Jobs that are run there at once may be coroutines, which need a loop to be run on.
        async_inside = self.middleware.has_async or self.run_at_once is not None
        if not self.blocking and not async_inside:
            return function(*args, **kwargs)
        return await sync_to_async(function, thread_sensitive=True)(*args, **kwargs)

    def enqueue(self, messages: Sequence[NewMessage]) -> list[Enqueued]:
        """Write messages with their args buckets; see `MessageBroker.enqueue`."""
        buckets = self.args_bucket_broker
        if buckets is None or self.message_broker.stores(buckets):
            answers = self.message_broker.enqueue(messages, buckets)
        else:
            answers = self._enqueue_apart(messages, buckets)
        host().enqueued(self, answers)
        return answers

    def _enqueue_apart(
        self, messages: Sequence[NewMessage], buckets: BucketBroker
    ) -> list[Enqueued]:
        """Write messages to one store and their args buckets to another.

        Under a generated id the bucket goes first, so that no worker meets a message without it. A
        chosen id may be a duplicate, whose bucket must stay as it is: there the message goes
        first, and a worker that is faster waits for the bucket.
        """
        buckets.store(_records(m for m in messages if m.on_duplicate is None))
        answers = self.message_broker.enqueue(messages)
        unique = (
            message
            for message, answer in zip(messages, answers, strict=True)
            if message.on_duplicate is not None and not answer.duplicate
        )
        buckets.store(_records(unique))
        return answers

    def arguments(self, messages: Iterable[StoredMessage]) -> Mapping[str, ArgsBucket]:
        """Return the args buckets of `messages` that are there.

        They are looked up among the arguments, then among the results, so that the result of one
        job can be the arguments of the next.
        """
        wanted = {m.args_id for m in messages if m.args_id is not None}
        if not wanted:
            return {}
        found: dict[str, ArgsBucket] = {}
        for broker in (self.args_bucket_broker, self.results_bucket_broker):
            if broker is not None and (missing := wanted - found.keys()):
                found.update(self.get_buckets(broker, missing))
        return found

    def get_buckets(self, broker: BucketBroker, ids: Collection[str]) -> Mapping[str, ArgsBucket]:
        """Read buckets, with the events of `get_bucket`."""
        if not self.middleware.listens("get_bucket"):
            return broker.get(ids)
        for id_ in ids:
            self.middleware.emit("before_get_bucket", id_=id_)
        found = broker.get(ids)
        for id_ in ids:
            self.middleware.emit("after_get_bucket", id_=id_, result=found.get(id_))
        return found

    def delete_buckets(self, broker: BucketBroker, ids: Collection[str]) -> int:
        """Remove buckets, with the events of `delete_bucket`; return how many there were."""
        listened = list(ids) if self.middleware.listens("delete_bucket") else []
        for id_ in listened:
            self.middleware.emit("before_delete_bucket", id_=id_)
        count = broker.delete(ids)
        for id_ in listened:
            self.middleware.emit("after_delete_bucket", id_=id_, result=None)
        return count

    def result(self, id_: str) -> ResultBucket | None:
        """Return the result bucket under `id_`, or None."""
        if self.results_bucket_broker is None:
            return None
        bucket = self.get_buckets(self.results_bucket_broker, [id_]).get(id_)
        return bucket if isinstance(bucket, ResultBucket) else None

    def settle(self, settlements: Sequence[Settlement]) -> frozenset[int]:
        """Write the ends of claims with their results; return the keys of lost leases.

        Where messages and results live in one store it is one transaction. Elsewhere the results
        go first: a crash in between runs the job again, and overwrites its result.
        """
        results = self.results_bucket_broker
        if self.settles_at_once:
            return self.message_broker.settle(settlements, results)
        assert results is not None  # noqa: S101 - see `settles_at_once`
        stored = [end.result for end in settlements if end.result is not None]
        if stored:
            results.store(stored)
        lost = self.message_broker.settle(settlements)
        if stored:
            self.message_broker.free([record.id_ for record in stored])
        return lost

    @property
    def settles_at_once(self) -> bool:
        """Whether messages and results live in one store: settling is one transaction there."""
        results = self.results_bucket_broker
        return results is None or self.message_broker.stores(results)


def _records(messages: Iterable[NewMessage]) -> list[BucketRecord]:
    return [record for message in messages if (record := args_record(message)) is not None]


class _ProcessDefault:
    """The connections that a `Repid` has made the process's default: the last one is."""

    stack: ClassVar[list[Connection]] = []


_context_default: contextvars.ContextVar[Connection | None] = contextvars.ContextVar(
    "django_repid_connection", default=None
)


@contextmanager
def default_connection(connection: Connection) -> Iterator[Connection]:
    """Make a connection the process's default inside the block, from synchronous code."""
    stack = _ProcessDefault.stack
    stack.append(connection)
    try:
        yield connection
    finally:
        stack[:] = [one for one in stack if one is not connection]


class Repid:
    """A connection with a switch that makes it the default.

    `magic_connect` makes it the default of the whole process until `magic_disconnect`; inside
    `async with app.magic()` it is besides the default of that context, whatever else connects
    meanwhile. Without either, the `default` alias of the settings serves.
    """

    def __init__(
        self, connection: Connection, *, middlewares: Iterable[object] | None = None
    ) -> None:
        self.connection = connection
        for middleware in middlewares or ():
            connection.middleware.add_middleware(middleware)

    @classmethod
    def get_magic_connection(cls) -> Connection:
        """Return the default connection of this context.

        Raises:
            ConfigurationError: none was made the default, and there are no settings.

        """
        return get_connection(None)

    async def magic_connect(self) -> Connection:
        """Make this connection the process's default."""
        if not self.connection.is_open:
            await self.connection.connect()
        stack = _ProcessDefault.stack
        stack[:] = [*(one for one in stack if one is not self.connection), self.connection]
        return self.connection

    async def magic_disconnect(self) -> Connection:
        """Close this connection, and take it back as the process's default."""
        await self.connection.disconnect()
        stack = _ProcessDefault.stack
        stack[:] = [connection for connection in stack if connection is not self.connection]
        return self.connection

    @asynccontextmanager
    async def magic(self, *, auto_disconnect: bool = False) -> AsyncIterator[Connection]:
        """Make this connection the default; with `auto_disconnect` only inside the block."""
        await self.magic_connect()
        token = _context_default.set(self.connection)
        try:
            yield self.connection
        finally:
            _context_default.reset(token)
            if auto_disconnect:
                await self.magic_disconnect()


def get_connection(which: str | Connection | None) -> Connection:
    """Return a connection: itself, that of an alias, or for None the default one.

    Raises:
        ConfigurationError: there is none.

    """
    if isinstance(which, Connection):
        return which
    if which is not None:
        return _resolve(which)
    stack = _ProcessDefault.stack
    return _context_default.get() or (stack[-1] if stack else _resolve("default"))


def _resolve(alias: str) -> Connection:
    connection: Connection = host().resolve(alias)
    return connection
