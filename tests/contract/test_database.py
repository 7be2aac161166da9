"""The contract suite on the database brokers, on whichever database the suite runs."""

import pytest

from django_repid import Connection, DatabaseBucketBroker, DatabaseMessageBroker
from django_repid.testing import contract

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True)]


class Database:
    """Messages and buckets on one alias."""

    @pytest.fixture
    def connection(self) -> Connection:
        return Connection(
            DatabaseMessageBroker(),
            DatabaseBucketBroker(),
            DatabaseBucketBroker(use_result_bucket=True),
        )


class TestEnqueue(Database, contract.EnqueueContract): ...


class TestClaim(Database, contract.ClaimContract): ...


class TestSettle(Database, contract.SettleContract): ...


class TestHandling(Database, contract.HandlingContract): ...


class TestRecurring(Database, contract.RecurringContract): ...


class TestRoster(Database, contract.RosterContract): ...


class TestBuckets(Database, contract.BucketContract): ...
