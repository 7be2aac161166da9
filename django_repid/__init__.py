"""A background job queue for Django: any SQL database is the broker, workers are asyncio-native.

Everything public is importable from here. Importing it touches neither settings nor models, so it
is safe before the app registry is ready, and without Django settings at all.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from django_repid.core.browsing import Message
from django_repid.core.bucket import ArgsBucket, ResultBucket
from django_repid.core.config import Config
from django_repid.core.connection import Connection, Repid
from django_repid.core.converter import BasicConverter, DefaultConverter, PydanticConverter
from django_repid.core.depends import INJECTED, Depends
from django_repid.core.errors import (
    ActorConflict,
    ActorNotFound,
    ArgsBucketMissing,
    ArgsInvalid,
    BrokerUnavailable,
    Cancelled,
    ConfigurationError,
    DuplicateJob,
    InvalidJob,
    JobFailed,
    LeaseLost,
    PayloadTooLarge,
    Quarantined,
    RepidError,
    ResultInvalid,
    TtlExpired,
    UpstreamFailed,
)
from django_repid.core.job import Job
from django_repid.core.message import MessageCategory, PrioritiesT
from django_repid.core.message_dependency import MessageDependency
from django_repid.core.middleware import Middleware
from django_repid.core.queue import Queue
from django_repid.core.redaction import Secret
from django_repid.core.retry import RetryAfter, RetryPolicyT, default_retry_policy_factory
from django_repid.core.router import Router, RouterDefaults
from django_repid.core.serializer import SerializerT, default_serializer
from django_repid.core.version import VERSION
from django_repid.worker.health import (
    HealthCheckServer,
    HealthCheckServerSettings,
    HealthCheckStatus,
)
from django_repid.worker.worker import Worker

if TYPE_CHECKING:
    from django_repid.brokers.database import DatabaseBucketBroker, DatabaseMessageBroker
    from django_repid.brokers.memory import InMemoryBucketBroker, InMemoryMessageBroker
    from django_repid.brokers.redis import RedisBell, RedisBucketBroker, RedisMessageBroker

__version__ = VERSION

# Brokers are imported at first use: the database's need Django's app registry.
_BROKERS = {
    "DatabaseBucketBroker": "django_repid.brokers.database",
    "DatabaseMessageBroker": "django_repid.brokers.database",
    "InMemoryBucketBroker": "django_repid.brokers.memory",
    "InMemoryMessageBroker": "django_repid.brokers.memory",
    "RedisBell": "django_repid.brokers.redis",
    "RedisBucketBroker": "django_repid.brokers.redis",
    "RedisMessageBroker": "django_repid.brokers.redis",
}


def __getattr__(name: str) -> Any:
    if name in _BROKERS:
        return getattr(import_module(_BROKERS[name]), name)
    message = f"module 'django_repid' has no attribute {name!r}"
    raise AttributeError(message)


__all__ = [
    "INJECTED",
    "ActorConflict",
    "ActorNotFound",
    "ArgsBucket",
    "ArgsBucketMissing",
    "ArgsInvalid",
    "BasicConverter",
    "BrokerUnavailable",
    "Cancelled",
    "Config",
    "ConfigurationError",
    "Connection",
    "DatabaseBucketBroker",
    "DatabaseMessageBroker",
    "DefaultConverter",
    "Depends",
    "DuplicateJob",
    "HealthCheckServer",
    "HealthCheckServerSettings",
    "HealthCheckStatus",
    "InMemoryBucketBroker",
    "InMemoryMessageBroker",
    "InvalidJob",
    "Job",
    "JobFailed",
    "LeaseLost",
    "Message",
    "MessageCategory",
    "MessageDependency",
    "Middleware",
    "PayloadTooLarge",
    "PrioritiesT",
    "PydanticConverter",
    "Quarantined",
    "Queue",
    "RedisBell",
    "RedisBucketBroker",
    "RedisMessageBroker",
    "Repid",
    "RepidError",
    "ResultBucket",
    "ResultInvalid",
    "RetryAfter",
    "RetryPolicyT",
    "Router",
    "RouterDefaults",
    "Secret",
    "SerializerT",
    "TtlExpired",
    "UpstreamFailed",
    "Worker",
    "default_retry_policy_factory",
    "default_serializer",
]
