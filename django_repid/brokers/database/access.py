"""The calling thread's database connection, and what can go wrong with it."""

import functools
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from django.db import Error as DatabaseError
from django.db import (
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
    connections,
    router,
    transaction,
)
from django.db.models import Model

from django_repid.core.errors import BrokerUnavailable, ConfigurationError, RowLocked

P = ParamSpec("P")
T = TypeVar("T")

# MySQL: deadlock, a row that has changed since the snapshot (MariaDB). PostgreSQL: deadlock,
# serialization failure.
_RETRYABLE_CODES = frozenset({1213, 1020, "40P01", "40001"})
# A wait for a stranger's lock that took too long.
_LOCKED_CODES = frozenset({1205, "55P03"})
# MySQL calls these operational: a packet too large, a value that its column cannot take.
_ROW_CODES = frozenset({1153, 1264, 1366, 1406})
_ATTEMPTS = 5


class OnAlias(Protocol):
    """Whatever works on one database alias."""

    @property
    def alias(self) -> str:
        """Its name in `DATABASES`."""


S = TypeVar("S", bound=OnAlias)


def alias_for(database: str | None, model: type[Model]) -> str:
    """Return the alias that rows of `model` are written to.

    Raises:
        ConfigurationError: DATABASES has no such alias.

    """
    alias = database or router.db_for_write(model)
    if alias not in connections:
        message = f"DATABASES has no alias {alias!r}; it has {', '.join(sorted(connections))}."
        raise ConfigurationError(message)
    return alias


@contextmanager
def transaction_on(alias: str, *, savepoint: bool = False) -> Iterator[None]:
    """Run the block in a transaction: the caller's where one is open, else one of its own.

    With `savepoint` an error undoes only the block, also inside the caller's.

    On SQLite it takes the write lock at its beginning. The default would take it at the first
    write, and then fail at once if another connection has written since, whatever its timeout.
    """
    connection: Any = connections[alias]
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        with transaction.atomic(using=alias, savepoint=savepoint):
            yield
        return
    connection.ensure_connection()  # only then it knows its mode
    mode = connection.transaction_mode
    connection.transaction_mode = "IMMEDIATE"
    try:
        with transaction.atomic(using=alias):
            yield
    finally:
        connection.transaction_mode = mode


def guarded(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """Translate what the driver raises, and repeat what a deadlock undid.

    Inside a transaction of the caller's nothing is repeated, and the connection is left alone:
    both are the caller's to decide.
    """

    @functools.wraps(method)
    def guard(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        connection = connections[self.alias]
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return method(self, *args, **kwargs)
            except (OperationalError, InterfaceError, InternalError) as error:
                if _code(error) in _ROW_CODES:
                    raise  # about what is written, not about the store
                foreign = connection.in_atomic_block
                if not foreign and _code(error) in _RETRYABLE_CODES and attempt < _ATTEMPTS:
                    time.sleep(random.uniform(0.001, 0.02) * attempt)  # noqa: S311 - no secret
                    continue
                if not foreign and _code(error) not in _LOCKED_CODES:
                    connection.close()  # it may be broken, and only close() makes Django reconnect
                message = f"The database {self.alias!r} cannot be used: {error}"
                raise _translated(error, message) from error
            except ProgrammingError as error:
                raise _translated(error, str(error)) from error
        raise AssertionError  # pragma: no cover - the last attempt returns or raises

    return guard


def _code(error: DatabaseError) -> Any:
    """Return what the server calls an error: a number (MySQL) or a text (PostgreSQL)."""
    cause = error.__cause__
    for name in ("sqlstate", "pgcode"):  # psycopg's two generations
        if code := getattr(cause, name, None):
            return code
    return cause.args[0] if cause and cause.args else None


def _translated(error: DatabaseError, message: str) -> Exception:
    text = str(error)
    missing = ("no such table", "does not exist", "doesn't exist")
    if "django_repid_" in text and any(phrase in text for phrase in missing):
        first_line = text.splitlines()[0]
        hint = f"The tables of django_repid are missing: run manage.py migrate. ({first_line})"
        return ConfigurationError(hint)
    if _code(error) in _LOCKED_CODES:
        return RowLocked(message)
    return BrokerUnavailable(message) if not isinstance(error, ProgrammingError) else error
