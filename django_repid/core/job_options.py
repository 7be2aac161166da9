"""The options of a job by name, for type checkers: `using` takes them and hands them on."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Any, TypedDict

from django_repid.core.connection import Connection
from django_repid.core.queue import Queue


class JobOptions(TypedDict, total=False):
    """What a `Job` is made with; the constructor says what each is."""

    name: str | Callable[..., Any]
    queue: str | Queue | None
    priority: int
    id_: str | None
    deferred_until: datetime | None
    deferred_by: timedelta | None
    cron: str | None
    timezone: str | tzinfo | None
    retries: int | None
    timeout: timedelta | None
    ttl: timedelta | None
    args: Any
    args_id: str | None
    args_ttl: timedelta | None
    use_args_bucketer: bool | None
    result_id: str | None
    result_ttl: timedelta | None
    store_result: bool | None
    headers: Mapping[str, str] | None
    on_duplicate: str
    connection: str | Connection | None
