"""The contract suite: what the seam (`django_repid.typing`) promises, as tests.

Every broker of ours passes it, and so should one of yours. Subclass the classes in a test module
and give them a `connection`; pytest and nothing else is needed::

    from django_repid.testing.contract import EnqueueContract

    class Base:
        @pytest.fixture
        def connection(self):
            return Connection(MyMessageBroker(), MyBucketBroker(), MyBucketBroker(…))

    class TestEnqueue(Base, EnqueueContract): ...

The brokers must be empty at the start of each test, and keep messages and buckets in one store.
"""

from django_repid.testing.contract.buckets import BucketContract
from django_repid.testing.contract.claim import ClaimContract
from django_repid.testing.contract.enqueue import EnqueueContract
from django_repid.testing.contract.handling import HandlingContract
from django_repid.testing.contract.recurring import RecurringContract
from django_repid.testing.contract.roster import RosterContract
from django_repid.testing.contract.settle import SettleContract

__all__ = [
    "BucketContract",
    "ClaimContract",
    "EnqueueContract",
    "HandlingContract",
    "RecurringContract",
    "RosterContract",
    "SettleContract",
]
