"""Where a Redis is, the clients of this process, and what can go wrong with them.

Commands are never repeated by the client: a claim or an enqueue whose answer was lost may have been
carried out. So it gets a pool of its own, also where django-redis has one already: that one is
shared by everybody who named the same URL, with the settings of whoever came first.
"""

import functools
import re
import threading
import weakref
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar
from urllib.parse import urlsplit

from django_repid.core import clock
from django_repid.core.errors import BrokerUnavailable, ConfigurationError

P = ParamSpec("P")
T = TypeVar("T")

_PREFIX = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
#: An answer takes milliseconds; whoever waits for longer waits for a server that is gone.
_ANSWER_SECONDS = 5.0
#: What a server answers that is there and cannot work now. Anything else is a fault of ours.
_UNABLE = (
    "BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "MOVED", "NOAUTH", "NOPERM",
    "NOREPLICAS", "OOM", "READONLY", "TRYAGAIN",
)  # fmt: skip


def driver() -> Any:
    """Return redis-py.

    Raises:
        ConfigurationError: it is not installed.

    """
    try:
        import redis
    except ImportError as error:
        message = "The Redis brokers need redis-py: pip install 'django-repid[redis]'."
        raise ConfigurationError(message) from error
    return redis


class Place:
    """A Redis and a prefix in it. It connects at its first use, and may be shared by all threads.

    `seconds`: how long to wait for a connection or an answer, where the address and the cache do
    not say.

    Raises:
        ConfigurationError: not exactly one of `dsn` and `cache` is given, or the prefix is none.

    """

    def __init__(
        self, dsn: str | None, cache: str | None, prefix: str, *, seconds: float = _ANSWER_SECONDS
    ) -> None:
        if (dsn is None) == (cache is None):
            message = (
                "A Redis broker is told where to go by one of two: dsn, an address such as "
                '"redis://127.0.0.1:6379/1", or cache, an alias of CACHES.'
            )
            raise ConfigurationError(message)
        if not _PREFIX.fullmatch(prefix):
            message = f"prefix must be 1 to 64 letters, digits or any of _.:-, not {prefix!r}."
            raise ConfigurationError(message)
        driver()
        self._dsn, self._cache = dsn, cache
        self._seconds = seconds
        #: What every key begins with. What stands in braces decides the slot in a cluster.
        self.prefix = f"{{{prefix}}}:"
        self._lock = threading.Lock()
        self._made: Any = None

    @property
    def client(self) -> Any:
        """The client of this process.

        Raises:
            ConfigurationError: the address or the cache is none of a Redis.

        """
        if self._made is None:
            with self._lock:
                self._made = self._made or self._connect()
        return self._made

    def _connect(self) -> Any:
        redis = driver()
        url, more = (self._dsn or "", {}) if self._cache is None else _of_cache(self._cache)
        given = {"socket_timeout": self._seconds, "socket_connect_timeout": self._seconds, **more}
        try:
            if "sentinels" in given:
                pool = _by_sentinels(url, **given)
            else:
                pool = redis.ConnectionPool.from_url(url, **given)
        except ValueError as error:
            # Without the address: it may hold a password.
            message = f"The address of the Redis cannot be read: {error}"
            raise ConfigurationError(message) from error
        # Also against what the address says: see the head of this module.
        pool.connection_kwargs.update(_never_again(redis), decode_responses=False)
        # Sockets that are left to the garbage collector warn about it.
        weakref.finalize(self, pool.disconnect)
        return redis.Redis(connection_pool=pool)

    @property
    def identity(self) -> tuple[object, ...]:
        """What two places have in common whose keys are the same."""
        pool = self.client.connection_pool
        given = pool.connection_kwargs
        where = (
            getattr(pool, "service_name", None)
            or given.get("path")
            or (given.get("host", "localhost"), given.get("port", 6379))
        )
        return where, int(given.get("db") or 0), self.prefix

    def __str__(self) -> str:
        where, number, _ = self.identity
        server = ":".join(map(str, where)) if isinstance(where, tuple) else where
        return f"{server}/{number}"

    def key(self, name: str) -> str:
        """Return a key by its name."""
        return self.prefix + name

    def now_us(self) -> int:
        """Return the server's time."""
        return time_us(self.client.time())

    def evicts(self) -> str | None:
        """Return the policy by which this server throws keys away when it is full; None if none.

        None too where it does not say.
        """
        policy = self.client.info("memory").get("maxmemory_policy")
        return policy if policy not in (None, "noeviction") else None


def time_us(answer: tuple[int, int]) -> int:
    """Return the answer of TIME in microseconds, with what tests have travelled ahead."""
    return answer[0] * 1_000_000 + answer[1] + clock.ahead_us()


def _never_again(redis: Any) -> dict[str, Any]:
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return {"retry": Retry(NoBackoff(), 0), "retry_on_timeout": False, "retry_on_error": []}


def _by_sentinels(url: str, *, sentinels: Any, sentinel_kwargs: Any = None, **given: Any) -> Any:
    """Return a pool that asks sentinels where the master is whenever it connects."""
    from redis import sentinel

    made: Any = sentinel  # it has no types
    service = urlsplit(url).hostname
    timeouts = {name: given[name] for name in ("socket_timeout", "socket_connect_timeout")}
    asked = made.Sentinel(sentinels, sentinel_kwargs={**timeouts, **(sentinel_kwargs or {})})
    return made.SentinelConnectionPool.from_url(
        url, service_name=service, sentinel_manager=asked, **given
    )


def _of_cache(alias: str) -> tuple[str, dict[str, Any]]:
    """Return the address that a cache of django-redis writes to, and how it connects there.

    One that asks sentinels names its service there, and has them beside it.
    """
    from django.core.cache import InvalidCacheBackendError, caches

    try:
        cache = caches[alias]
    except InvalidCacheBackendError as error:
        message = f"CACHES has no alias {alias!r} that can be made: {error}"
        raise ConfigurationError(message) from error
    client = getattr(cache, "client", None)
    factory = getattr(client, "connection_factory", None)
    servers = getattr(client, "_server", None)
    if factory is None or not servers:
        message = (
            f"CACHES[{alias!r}] is no cache of django-redis but {type(cache).__name__}. Jobs need "
            '"BACKEND": "django_redis.cache.RedisCache", or give the broker a dsn.'
        )
        raise ConfigurationError(message)
    for kind in (type(client).__name__, type(factory).__name__):
        if kind.startswith("Shard"):
            message = (
                f"CACHES[{alias!r}] connects by {kind}. The Redis brokers connect to one server: "
                "give them its address as dsn."
            )
            raise ConfigurationError(message)
    # The first one is where it writes; others are replicas.
    given = factory.make_connection_params(servers[0])
    url = given.pop("url")
    more = {**(factory.pool_cls_kwargs or {}), **given}
    options = getattr(client, "_options", {})
    if sentinels := options.get("SENTINELS"):
        more |= {"sentinels": sentinels, "sentinel_kwargs": options.get("SENTINEL_KWARGS")}
    return url, more


class InPlace(Protocol):
    """Whatever works in one place."""

    @property
    def place(self) -> Place:
        """Where its keys are."""


S = TypeVar("S", bound=InPlace)


def guarded(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """Translate what the driver raises when the store cannot be used."""

    @functools.wraps(method)
    def guard(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(self, *args, **kwargs)
        except driver().RedisError as error:
            if not is_outage(error):
                raise
            message = f"The Redis {self.place} cannot be used: {error}"
            raise BrokerUnavailable(message) from error

    return guard


def is_outage(error: Exception) -> bool:
    """Whether an error of the driver's is about the store, not about what is written."""
    redis = driver()
    if isinstance(error, redis.ConnectionError | redis.TimeoutError):
        return True
    # The driver takes the first word off the texts that it has a class for.
    known = (
        redis.exceptions.ReadOnlyError,
        redis.exceptions.ClusterError,
        redis.exceptions.NoPermissionError,
        redis.exceptions.OutOfMemoryError,
        redis.exceptions.MovedError,
    )
    return isinstance(error, known) or str(error).startswith(_UNABLE)
