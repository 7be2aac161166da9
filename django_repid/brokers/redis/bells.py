"""Bells: how an enqueue wakes a worker that sleeps, by pub/sub. Polling stays the truth."""

import logging
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from django_repid.brokers.redis.access import Place, driver
from django_repid.core.errors import ConfigurationError

logger = logging.getLogger("django_repid.worker")

#: A process rings at most once in this time: a worker that was just woken polls hot for longer.
_QUIET_SECONDS = 0.05
#: How long a listener is silent before it makes sure that its connection still works.
_CHECK_SECONDS = 10.0
_RECONNECT_SECONDS = 1.0
#: A ring takes 0.1 ms; a server that cannot do it in this time is not worth a web request's.
_RING_SECONDS = 0.25
_LEFT_ALONE_SECONDS = 10.0


class Bell:
    """Decides whether an enqueue rings."""

    def __init__(self) -> None:
        self._rung_at = float("-inf")

    def rings_now(self) -> bool:
        """Whether it is time to ring again; the caller then does."""
        now = time.monotonic()
        if now - self._rung_at < _QUIET_SECONDS:
            return False
        self._rung_at = now
        return True


class RedisBell:
    """A bell in Redis for messages that are in a database: it wakes workers on any host.

    Give it to `DatabaseMessageBroker(bell=…)`. It holds nothing, so it may be a cache.

    Args:
        dsn: the address, as redis-py takes it.
        cache: instead of it, an alias of CACHES that is one of django-redis.
        prefix: workers hear the rings of enqueuers with the same one.

    Raises:
        ConfigurationError: not exactly one of `dsn` and `cache` is given, or one is wrong.

    """

    def __init__(
        self, dsn: str | None = None, *, cache: str | None = None, prefix: str = "repid"
    ) -> None:
        # Whoever rings has just committed, and must not wait: the worker polls anyway.
        self.place = Place(dsn, cache, prefix, seconds=_RING_SECONDS)
        self._quiet_until = float("-inf")

    def ring(self) -> None:
        """Wake the workers. A Redis that is away is left alone for a while."""
        if time.monotonic() < self._quiet_until:
            return
        try:
            self.place.client.publish(self.place.key("bell"), "")
        except (driver().RedisError, ConfigurationError) as error:
            self._quiet_until = time.monotonic() + _LEFT_ALONE_SECONDS
            logger.info("The bell did not ring; workers poll meanwhile: %s", error)

    def listener(self, heard: Callable[[], None]) -> "Listener":
        """Return who hears it; see `FarBell.listener`."""
        return Listener(self.place, heard)


class Listener:
    """Hears the bell of a place and calls `heard`, on a thread of its own."""

    def __init__(self, place: Place, heard: Callable[[], None]) -> None:
        self._place = place
        self._heard = heard
        self._stopping = threading.Event()
        #: Where nobody but `stop` rings.
        self._own = place.key(f"bell:{uuid.uuid4().hex}")
        #: Whether every enqueue is heard, wherever it is made.
        self.hears_all = False
        self._thread = threading.Thread(target=self._work, name="repid-bell", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and give everything back."""
        self._stopping.set()
        try:
            self._place.client.publish(self._own, "")
        except driver().RedisError:
            pass  # without a server it has no answer to wait for
        self._thread.join(2.0)

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._place.client.pubsub() as heard:
                    heard.subscribe(self._place.key("bell"), self._own)
                    self._listen(heard)
            except driver().RedisError as error:
                logger.info("The bell's connection was lost; the worker polls meanwhile: %s", error)
            self.hears_all = False
            self._stopping.wait(_RECONNECT_SECONDS)

    def _listen(self, channel: Any) -> None:
        asked = False
        while not self._stopping.is_set():
            if channel.connection.can_read(_CHECK_SECONDS):
                # First of all: what it says, taking it apart would only make the worker late. The
                # answer to `subscribe` counts too, for what rang before it.
                self._heard()
                channel.get_message()
                self.hears_all, asked = True, False
            elif asked:
                raise driver().ConnectionError("The server does not answer.")
            else:
                channel.ping()
                asked = True
