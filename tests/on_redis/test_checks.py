"""What `manage.py check` says of Redis."""

import pytest
from django.core import checks

from django_repid import checks as ours
from django_repid.brokers.redis.access import Place
from tests.on_redis.kit import server, url_of

REDIS = "django_repid.brokers.redis.RedisMessageBroker"


def test_a_cache_that_is_no_redis_is_an_error(settings) -> None:
    settings.REPID = {"default": {"MESSAGE_BROKER": {"CLASS": REDIS, "cache": "default"}}}

    (found,) = ours.check_settings()

    assert found.id == "django_repid.E001"
    assert "django-redis" in found.msg


@pytest.mark.redis
@pytest.mark.django_db
@pytest.mark.parametrize("policy", ["noeviction", "allkeys-lru"])
def test_a_redis_that_evicts_is_warned_about(settings, tmp_path, policy: str) -> None:
    with server(tmp_path, "--maxmemory-policy", policy) as port:
        broker = {"CLASS": REDIS, "dsn": url_of(port)}
        settings.REPID = {"default": {"MESSAGE_BROKER": broker, "RESULTS_BUCKET_BROKER": None}}

        assert ours.check_databases(databases=None) == []
        found = ours.check_databases(databases=["default"])

    assert [message.id for message in found] == ["django_repid.W012"] * (policy != "noeviction")
    assert all(policy in message.msg for message in found)
    assert all(message.level == checks.WARNING for message in found)


def test_a_redis_that_cannot_be_reached_is_not_judged() -> None:
    assert ours.about_redis(Place("redis://127.0.0.1:1/0", None, "p")) == []


@pytest.mark.parametrize("prefix", ["one", "other"])
def test_outboxes_of_two_servers_in_one_database_need_two_prefixes(settings, prefix: str) -> None:
    settings.REPID = {
        alias: {
            "MESSAGE_BROKER": {"CLASS": REDIS, "dsn": dsn, "prefix": name, "outbox": True},
            "RESULTS_BUCKET_BROKER": None,
        }
        for alias, dsn, name in [
            ("default", "redis://a/0", "one"),
            ("same", "redis://a/0", "one"),
            ("far", "redis://b/0", prefix),
        ]
    }

    found = [one.id for one in ours.check_settings() if one.level >= checks.ERROR]

    assert found == ["django_repid.E005"] * (prefix == "one")
