"""Where the tests' Redis is, and how they leave it as they found it."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import redis

from django_repid import Connection, RedisBucketBroker, RedisMessageBroker
from tests.acceptance.kit import eventually

#: A database of its own; REPID_TEST_REDIS names another.
URL = os.environ.get("REPID_TEST_REDIS", "redis://127.0.0.1:6379/15")


def keys_of(prefix: str, url: str = URL, *, only: str = "") -> list[bytes]:
    """Return every key under a prefix; `only` those that go on like this."""
    with redis.Redis.from_url(url) as client:
        return list(client.scan_iter(f"{{{prefix}}}:{only}*", count=1000))


@contextmanager
def emptied(url: str = URL) -> Iterator[str]:
    """Give a prefix that nobody else uses; remove what is left under it."""
    prefix = f"{os.environ.get('REPID_TEST_PREFIX', 'test_repid')}-{uuid4().hex[:12]}"
    yield prefix
    with redis.Redis.from_url(url) as client:
        for key in keys_of(prefix, url):
            client.delete(key)


def url_of(port: int) -> str:
    return f"redis://127.0.0.1:{port}/0"


@contextmanager
def server(folder: Path, *arguments: str, port: int | None = None) -> Iterator[int]:
    """Have a Redis of one's own, which keeps nothing; yield its port."""
    port = port or free_port()
    given = ["--port", str(port), "--dir", str(folder), "--save", "", "--appendonly", "no"]
    with subprocess.Popen(
        ["redis-server", *given, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            eventually(lambda: answers(port), 20)
            yield port
        finally:
            process.kill()


def answers(port: int) -> bool:
    with redis.Redis.from_url(url_of(port)) as client:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False


def free_port() -> int:
    """Return a port that nobody listens on; in a cluster ten thousand more is another's."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port if port < 50_000 else free_port()


def connection_on(url: str, prefix: str) -> Connection:
    """Make a connection whose everything is in one place."""
    return Connection(
        RedisMessageBroker(url, prefix=prefix),
        RedisBucketBroker(url, prefix=prefix),
        RedisBucketBroker(url, prefix=prefix, use_result_bucket=True),
    )
