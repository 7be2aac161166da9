"""The contract suite on the Redis brokers."""

from typing import ClassVar

import pytest

from django_repid import Connection, RedisBucketBroker, RedisMessageBroker
from django_repid.testing import contract
from tests.redis.kit import URL, emptied

pytestmark = pytest.mark.redis


class Redis:
    """Messages and buckets under one prefix."""

    @pytest.fixture
    def connection(self):
        with emptied() as prefix:
            yield Connection(
                RedisMessageBroker(URL, prefix=prefix),
                RedisBucketBroker(URL, prefix=prefix),
                RedisBucketBroker(URL, prefix=prefix, use_result_bucket=True),
            )


class TestEnqueue(Redis, contract.EnqueueContract): ...


class TestClaim(Redis, contract.ClaimContract): ...


class TestSettle(Redis, contract.SettleContract): ...


class TestHandling(Redis, contract.HandlingContract): ...


class TestRecurring(Redis, contract.RecurringContract): ...


class TestRoster(Redis, contract.RosterContract): ...


class TestBuckets(Redis, contract.BucketContract):
    removes_expired: ClassVar[bool] = True
