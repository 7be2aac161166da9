"""The errors of django_repid.

::

    RepidError
    ├── ConfigurationError        settings, aliases, brokers (also ImproperlyConfigured)
    ├── InvalidJob                bad arguments of Job (also ValueError)
    │   ├── DuplicateJob          on_duplicate="raise"
    │   └── PayloadTooLarge
    ├── ActorNotFound  ActorConflict
    ├── ArgsBucketMissing  ArgsInvalid  ResultInvalid  UpstreamFailed
    ├── JobFailed                 .value of a failed bucket
    ├── TtlExpired  Cancelled  Quarantined
    ├── LeaseLost
    └── BrokerUnavailable         the store cannot be reached
"""

try:
    # A wrong setting is Django's own kind of error where Django is there to say so.
    from django.core.exceptions import ImproperlyConfigured
except ImportError:

    class ImproperlyConfigured(Exception):  # type: ignore[no-redef]  # it stands in
        """Stands in for Django's class where Django is not installed."""


class RepidError(Exception):
    """Root of every error that django_repid raises itself."""


class ConfigurationError(RepidError, ImproperlyConfigured):
    """A setting, an alias, a broker or a registered actor is wrong."""


class InvalidJob(RepidError, ValueError):
    """A job was asked for with an argument that cannot be right."""


class DuplicateJob(InvalidJob):
    """A job with this id waits or runs already, and `on_duplicate` is "raise"."""

    @classmethod
    def of(cls, id_: str) -> "DuplicateJob":
        """Return the error for one id."""
        return cls(f"A job with id_={id_!r} waits or runs already. Nothing was enqueued.")


class PayloadTooLarge(InvalidJob):
    """The serialized arguments are larger than `PAYLOAD_LIMIT_BYTES`."""


class ActorNotFound(RepidError):
    """No actor of this name is registered in this process."""


class ActorConflict(RepidError):
    """Two different functions are registered under one actor name."""


class ArgsBucketMissing(RepidError):
    """The bucket that holds a job's arguments is not there, or has expired."""


class ArgsInvalid(RepidError):
    """A job's arguments are no JSON object, or do not fit the actor's signature."""


class ResultInvalid(RepidError):
    """An actor returned something that cannot be stored as a result."""


class UpstreamFailed(RepidError):
    """The job whose result was to be this job's arguments has failed."""


class JobFailed(RepidError):
    """`bucket.value` was asked of a bucket that a failed job left behind."""


class TtlExpired(RepidError):
    """A job was not started within its `ttl` after it became due."""


class Cancelled(RepidError):
    """A job was cancelled before it came to an end."""


class Quarantined(RepidError):
    """A job was put aside because workers died while it ran."""


class LeaseLost(RepidError):
    """The message was claimed again, settled or removed since this attempt claimed it."""


class BrokerUnavailable(RepidError):
    """The store that holds messages or buckets cannot be reached."""


class RowLocked(BrokerUnavailable):
    """A stranger's transaction has held a row of the store for too long; the rest of it works."""
