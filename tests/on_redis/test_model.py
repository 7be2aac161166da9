"""Redis does what the model of `tests.model` does, and its fence holds in every order."""

from collections.abc import Iterator
from functools import cache
from typing import Any, ClassVar

import pytest

from django_repid import Connection, RedisBucketBroker, RedisMessageBroker
from django_repid.brokers.redis import access, bucket_broker, scripts, wire
from django_repid.core import clock
from django_repid.core.message import StoredMessage
from tests.model.plays import Stage
from tests.model.stores import StillClock
from tests.model.test_fence import SHORT_SCENES
from tests.model.test_state_machine import _play
from tests.on_redis.kit import URL, emptied, keys_of

pytestmark = pytest.mark.redis


class RedisStore:
    """Two processes, with a broker each, on one Redis."""

    counts_beats: ClassVar = True
    frees_seized: ClassVar = True
    remembers_looks: ClassVar = False

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.open()

    def open(self) -> None:
        """Begin with nothing."""
        brokers = [RedisMessageBroker(URL, prefix=self.prefix, commit_with=None) for _ in range(2)]
        results = RedisBucketBroker(URL, prefix=self.prefix, use_result_bucket=True)
        self.connections = [Connection(broker, None, results) for broker in brokers]
        self.broker, self.client = brokers[0], brokers[0].place.client
        if keys := keys_of(self.prefix):
            self.client.delete(*keys)

    def rows(self) -> list[StoredMessage]:
        """Return every message there is."""
        ids = [id_.decode() for id_ in self.client.hkeys(self.broker.place.key("ids"))]
        found = sorted(self.broker.find(ids), key=lambda row: row.key.pk or 0)
        assert len(found) == len(ids)
        return found

    def results(self) -> dict[str, str]:
        """Return what is in every bucket there is, also where it has expired by the still clock."""
        keys = keys_of(self.prefix, only="b:")
        ids = [key.decode().partition(":b:")[2] for key in keys]
        texts = self.client.mget(keys) if keys else []
        read = (wire.read_bucket(id_, text)[0] for id_, text in zip(ids, texts, strict=True))
        return {bucket.id_ or "": bucket.data for bucket in read}


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> StillClock:
    """Return a clock that the server goes by too."""
    still, text = StillClock(monkeypatch), scripts._text

    @cache
    def without_a_clock(script: str) -> str:
        told = "local ahead = still - (call('TIME')[1] * 1000000 + call('TIME')[2])"
        changes = {
            "local prefix, ahead = ARGV[1]": "local prefix, still = ARGV[1]",
            "local call = redis.call\n": f"local call = redis.call\n{told}\n",
            "whole(now[1] * 1000000 + now[2] + ahead)": "whole(still)",
        }
        changed = text(script)
        for old, new in changes.items():
            assert old in changed
            changed = changed.replace(old, new)
        return changed

    monkeypatch.setattr(scripts, "_text", without_a_clock)
    monkeypatch.setattr(scripts, "_digests", {})
    monkeypatch.setattr(clock, "ahead_us", lambda: still.now)
    for module in (access, bucket_broker):
        monkeypatch.setattr(module, "time_us", lambda _: still.now)
    return still


@pytest.fixture
def store() -> Iterator[Any]:
    with emptied() as prefix:
        yield RedisStore(prefix)


def test_a_stale_attempt_changes_nothing_on_redis(store: Any, still: StillClock) -> None:
    stage = Stage(store, still)

    assert [problem for scene in SHORT_SCENES for problem in stage.violations(scene)] == []

    assert stage.count == 210 + 210 + 420 + 180


def test_redis_does_what_the_model_does(store: Any, still: StillClock) -> None:
    _play(store, still, max_examples=30)


@pytest.mark.harsh
def test_redis_does_what_the_model_does_for_long(store: Any, still: StillClock) -> None:
    _play(store, still, max_examples=150)
