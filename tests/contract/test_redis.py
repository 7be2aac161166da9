"""The contract suite on the Redis brokers."""

from typing import ClassVar

import pytest

from django_repid.testing import contract
from tests.on_redis.kit import URL, connection_on, emptied

pytestmark = pytest.mark.redis


class Redis:
    """Messages and buckets under one prefix."""

    @pytest.fixture
    def connection(self):
        with emptied() as prefix:
            yield connection_on(URL, prefix)


class TestEnqueue(Redis, contract.EnqueueContract): ...


class TestClaim(Redis, contract.ClaimContract): ...


class TestSettle(Redis, contract.SettleContract): ...


class TestHandling(Redis, contract.HandlingContract): ...


class TestRecurring(Redis, contract.RecurringContract): ...


class TestRoster(Redis, contract.RosterContract): ...


class TestBuckets(Redis, contract.BucketContract):
    removes_expired: ClassVar[bool] = True
