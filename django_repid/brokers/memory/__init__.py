"""Brokers that hold everything in this process: the reference of the seam, and a test double."""

from django_repid.brokers.memory.bucket_broker import InMemoryBucketBroker
from django_repid.brokers.memory.message_broker import InMemoryMessageBroker

__all__ = ["InMemoryBucketBroker", "InMemoryMessageBroker"]
