"""The contract suite on the brokers in memory."""

import pytest

from django_repid import Connection, InMemoryBucketBroker, InMemoryMessageBroker
from django_repid.testing import contract


class Memory:
    """Messages and buckets in one place."""

    @pytest.fixture
    def connection(self) -> Connection:
        buckets = InMemoryBucketBroker(use_result_bucket=True)
        return Connection(InMemoryMessageBroker(), buckets, buckets)


class TestEnqueue(Memory, contract.EnqueueContract): ...


class TestClaim(Memory, contract.ClaimContract): ...


class TestSettle(Memory, contract.SettleContract): ...


class TestHandling(Memory, contract.HandlingContract): ...


class TestRecurring(Memory, contract.RecurringContract): ...


class TestRoster(Memory, contract.RosterContract): ...


class TestBuckets(Memory, contract.BucketContract): ...
