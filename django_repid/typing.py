"""The protocols that brokers, converters, serializers and retry policies of your own follow."""

from django_repid.core.claims import Beat, Claim, ClaimRequest, Peer, Want, WorkerInfo
from django_repid.core.converter import ConverterT
from django_repid.core.protocols import BucketBroker, MessageBroker
from django_repid.core.retry import RetryPolicyT
from django_repid.core.serializer import SerializerT

__all__ = [
    "Beat",
    "BucketBroker",
    "Claim",
    "ClaimRequest",
    "ConverterT",
    "MessageBroker",
    "Peer",
    "RetryPolicyT",
    "SerializerT",
    "Want",
    "WorkerInfo",
]
