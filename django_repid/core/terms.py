"""The checks of what a `Job` is given: each returns the value in its final form, or raises.

Every error is an `InvalidJob` (a `ValueError`) that says which argument, what it got and what it
wants.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django_repid.core import clock
from django_repid.core.codec import encode_headers
from django_repid.core.config import Config
from django_repid.core.connection import Connection
from django_repid.core.errors import InvalidJob, PayloadTooLarge
from django_repid.core.host import host
from django_repid.core.message import OnDuplicate
from django_repid.core.protocols import BucketBroker
from django_repid.core.schedule import Schedule, check_cron, zone_name
from django_repid.core.serializer import unstorable

#: Headers are written with every message and read with every claim: meant for trace ids, a tenant,
#: a locale.
HEADERS_LIMIT_BYTES = 8192

_SECOND = timedelta(seconds=1)
_CENTURY = timedelta(days=36525)
_SMALLINTS = range(-32768, 32768)


def check_priority(value: Any) -> int:
    """Priority: an int that fits a smallint column."""
    # int(), since a range looks at every one of its members for an IntEnum: 1.2 ms for each job.
    if isinstance(value, bool) or not isinstance(value, int) or int(value) not in _SMALLINTS:
        message = f"priority must be an int from -32768 to 32767, not {value!r}."
        raise InvalidJob(message)
    return int(value)


def check_span(what: str, value: Any) -> timedelta:
    """Return a timedelta of at least one second and at most a century."""
    if not isinstance(value, timedelta) or not _SECOND <= value <= _CENTURY:
        message = (
            f"{what} must be a timedelta of at least one second and at most "
            f"{_CENTURY.days} days, not {value!r}."
        )
        raise InvalidJob(message)
    return value


def check_span_or_none(what: str, value: Any) -> timedelta | None:
    """Return a timedelta of at least one second, or None."""
    return None if value is None else check_span(what, value)


def check_retries(value: Any) -> int:
    """Return a number of further tries."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 2**31 - 2:
        message = f"retries must be an int of at least 0, not {value!r}."
        raise InvalidJob(message)
    return value


def check_moment(what: str, value: Any) -> datetime | None:
    """Return an aware datetime; a naive one is meant in the current time zone."""
    if value is None:
        return None
    if not isinstance(value, datetime):
        message = f"{what} must be a datetime, not {value!r}."
        raise InvalidJob(message)
    try:
        aware = value if value.tzinfo is not None else value.replace(tzinfo=host().timezone())
        aware.astimezone(UTC)
    except (OverflowError, ValueError) as error:
        message = f"{what} is out of range: {value!r}."
        raise InvalidJob(message) from error
    return aware


def check_recurrence(deferred_by: Any, cron: Any, zone: Any) -> Schedule | None:
    """Return the schedule of a recurring job; None for one that does not recur.

    Raises:
        InvalidJob: one of them is wrong, or they do not go together.

    """
    if deferred_by is not None and cron is not None:
        message = f"deferred_by ({deferred_by!r}) and cron ({cron!r}) exclude each other: give one."
        raise InvalidJob(message)
    if zone is not None and cron is None:
        message = f"timezone={zone!r} means something only together with cron."
        raise InvalidJob(message)
    if deferred_by is not None:
        return Schedule(every=clock.span_us(check_span("deferred_by", deferred_by)))
    if cron is None:
        return None
    try:
        return check_cron(cron, zone_name(host().timezone() if zone is None else zone))
    except ValueError as error:
        raise InvalidJob(str(error)) from error


def check_on_duplicate(value: Any) -> OnDuplicate:
    """Return one of the three answers to a duplicate."""
    try:
        return OnDuplicate(value)
    except ValueError as error:
        message = f"on_duplicate must be 'skip', 'raise' or 'replace', not {value!r}."
        raise InvalidJob(message) from error


def check_headers(value: Any) -> dict[str, str]:
    """Return headers: a small map of strings."""
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(
        isinstance(part, str) for pair in value.items() for part in pair
    ):
        # Without the values, which may be secret; as with the arguments below.
        message = f"headers must map str to str, not {_kinds(value)}."
        raise InvalidJob(message)
    text = encode_headers(value)
    if bad := unstorable(text):
        message = f"headers hold {bad}, which a database refuses."
        raise InvalidJob(message)
    if len(text) > HEADERS_LIMIT_BYTES:
        message = f"headers take {len(text)} bytes; at most {HEADERS_LIMIT_BYTES} travel."
        raise InvalidJob(message)
    return dict(value)


def _kinds(value: Any) -> str:
    if not isinstance(value, Mapping):
        return type(value).__name__
    return ", ".join(
        sorted({f"{type(k).__name__} to {type(v).__name__}" for k, v in value.items()})
    )


def serialize_args(args: Any, connection: Connection) -> str | None:
    """Return arguments as the text of a JSON object.

    Raises:
        InvalidJob: they cannot be serialized, are no object, or hold what a database refuses.
        PayloadTooLarge: they take more than `PAYLOAD_LIMIT_BYTES`.

    """
    if args is None:
        return None
    try:
        text: Any = (connection.serializer or Config.SERIALIZER)(args)
    except Exception as error:
        message = f"args cannot be serialized: {error}"
        raise InvalidJob(message) from error
    if not isinstance(text, str):
        message = f"The serializer must return str, not {type(text).__name__}."
        raise InvalidJob(message)
    if not text.lstrip().startswith("{"):
        message = (
            "args must serialize to a JSON object (a dict, a dataclass or a pydantic model whose "
            f"keys are the actor's parameters), not to text that begins with {text.lstrip()[:1]!r}."
        )
        raise InvalidJob(message)
    if bad := unstorable(text):
        message = f"args hold {bad}, which a database refuses. Encode it, for instance as base64."
        raise InvalidJob(message)
    check_size("args", text, connection)
    return text


def check_size(what: str, text: str, connection: Connection) -> None:
    """Raise `PayloadTooLarge` if the text takes more than the connection's limit."""
    limit = connection.options.payload_limit_bytes
    size = len(text) if text.isascii() else len(text.encode())
    if size > limit:
        message = (
            f"{what} take {size} bytes, more than the {limit} of REPID[…]['OPTIONS']"
            "['PAYLOAD_LIMIT_BYTES']. Pass a reference (a primary key, a file's name) instead."
        )
        raise PayloadTooLarge(message)


def check_wish(argument: str, wish: bool | None, broker: BucketBroker | None) -> bool:
    """Return whether a bucket broker is used: as wished, else if there is one."""
    if wish and broker is None:
        setting = {
            "use_args_bucketer": "ARGS_BUCKET_BROKER",
            "store_result": "RESULTS_BUCKET_BROKER",
        }[argument]
        message = f"{argument}=True, but the connection has no {setting}."
        raise InvalidJob(message)
    return broker is not None if wish is None else wish


def check_bucket_ids(args_id: str, result_id: str, connection: Connection, *, reads: bool) -> None:
    """Raise if the two ids clash, or if no broker could hold the arguments that are awaited."""
    if args_id == result_id:
        message = f"result_id and args_id must differ; both are {args_id!r}."
        raise InvalidJob(message)
    if reads and not (connection.args_bucket_broker or connection.results_bucket_broker):
        message = f"args_id={args_id!r}, but the connection has no bucket broker to read it from."
        raise InvalidJob(message)
