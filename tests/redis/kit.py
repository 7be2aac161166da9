"""Where the tests' Redis is, and how they leave it as they found it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import redis

#: A database of its own; REPID_TEST_REDIS names another.
URL = os.environ.get("REPID_TEST_REDIS", "redis://127.0.0.1:6379/15")


def keys_of(prefix: str, url: str = URL) -> list[bytes]:
    """Return every key under a prefix."""
    with redis.Redis.from_url(url) as client:
        return list(client.scan_iter(f"{{{prefix}}}:*", count=1000))


@contextmanager
def emptied(url: str = URL) -> Iterator[str]:
    """Give a prefix that nobody else uses; remove what is left under it."""
    prefix = f"{os.environ.get('REPID_TEST_PREFIX', 'test_repid')}-{uuid4().hex[:12]}"
    yield prefix
    with redis.Redis.from_url(url) as client:
        for key in keys_of(prefix, url):
            client.delete(key)
