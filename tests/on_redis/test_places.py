"""Where a Redis broker goes: an address or a cache, and what is said where that is none."""

import builtins
from typing import Any

import pytest

from django_repid import ConfigurationError, InMemoryBucketBroker, RedisBucketBroker
from django_repid import RedisMessageBroker as Broker
from django_repid.brokers.redis.access import Place

CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "queue": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": "redis://10.0.0.7:6380/3",
        "KEY_PREFIX": "cached",
        "OPTIONS": {"PASSWORD": "secret", "SOCKET_TIMEOUT": 2},
    },
    "sentinel": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": "redis://mymaster/0",
        "OPTIONS": {
            "CLIENT_CLASS": "django_redis.client.SentinelClient",
            "SENTINELS": [("10.0.0.7", 26379)],
        },
    },
}


@pytest.fixture(autouse=True)
def caches(settings):
    settings.CACHES = CACHES


def test_a_cache_of_django_redis_says_where_and_how() -> None:
    place = Broker(cache="queue").place
    given = place.client.connection_pool.connection_kwargs

    assert str(place) == "10.0.0.7:6380/3"
    assert (given["password"], given["socket_timeout"]) == ("secret", 2)
    assert place.key("seq") == "{repid}:seq"


def test_an_address_is_taken_as_in_the_seed() -> None:
    place = RedisBucketBroker("redis://:secret@localhost:6399/4", use_result_bucket=True).place

    assert str(place) == "localhost:6399/4"
    assert place.client.connection_pool.connection_kwargs["socket_timeout"] == 5


@pytest.mark.parametrize(
    ("dsn", "cache"),
    [("redis://localhost/1?retry_on_timeout=yes&decode_responses=yes", None), (None, "queue")],
)
def test_no_command_is_ever_repeated_and_answers_are_bytes(dsn, cache) -> None:
    given = Place(dsn, cache, "p").client.connection_pool.connection_kwargs

    assert given["retry"].__dict__["_retries"] == 0
    assert (given["retry_on_timeout"], given["retry_on_error"]) == (False, [])
    assert given["decode_responses"] is False


@pytest.mark.parametrize("given", [{}, {"dsn": "redis://localhost", "cache": "queue"}])
def test_one_of_the_two_says_where(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"dsn, an address .* or cache"):
        Broker(**given)


@pytest.mark.parametrize("prefix", ["", "a b", "{x}", "a*"])
def test_a_prefix_is_a_plain_word(prefix: str) -> None:
    with pytest.raises(ConfigurationError, match="prefix"):
        Broker("redis://localhost", prefix=prefix)


@pytest.mark.parametrize(
    ("cache", "words"),
    [
        ("default", "no cache of django-redis but LocMemCache"),
        ("nothing", "no alias 'nothing'"),
    ],
)
def test_what_is_no_cache_of_django_redis_is_refused(cache: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        _ = Broker(cache=cache).place.client


def test_an_address_that_cannot_be_read_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigurationError, match="cannot be read") as caught:
        _ = Broker("http://:secret@localhost").place.client

    assert "secret" not in str(caught.value)


def test_without_redis_py_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name, *more):
        if name == "redis":
            raise ImportError(name)
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)

    with pytest.raises(ConfigurationError, match=r"django-repid\[redis\]"):
        Broker("redis://localhost")


def test_one_place_is_one_store_however_it_is_named() -> None:
    results = RedisBucketBroker("redis://10.0.0.7:6380/3", use_result_bucket=True)

    assert Broker(cache="queue").stores(results)
    assert RedisBucketBroker(cache="queue").shares(results)
    for other in (
        RedisBucketBroker("redis://10.0.0.7:6380/2"),
        RedisBucketBroker("redis://10.0.0.8:6380/3"),
        RedisBucketBroker(cache="queue", prefix="other"),
        InMemoryBucketBroker(),
    ):
        assert not Broker(cache="queue").stores(other)
        assert not results.shares(other)
