"""The transaction of an atomic actor: all of it or nothing, and nothing beside it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db import connections, transaction
from django.db.transaction import TransactionManagementError

from django_repid.brokers.database.access import transaction_on
from django_repid.core.errors import ConfigurationError

#: Statements that write nothing, by their first word.
_READING = frozenset({"SELECT", "SHOW", "EXPLAIN", "PRAGMA", "WITH", "SET", "DECLARE", "FETCH"})


@contextmanager
def atomically(alias: str) -> Iterator[None]:
    """Run the block in a transaction of the calling thread; see `MessageBroker.atomically`.

    Raises:
        ConfigurationError: the block writes to another database, where it would not be undone.
        TransactionManagementError: the block ends well, and yet would be rolled back.

    """
    with ExitStack() as stack:
        for other in connections:
            if other != alias:
                stack.enter_context(connections[other].execute_wrapper(_refuse_writes(alias)))
        # A savepoint inside a transaction of the caller's, as in tests: only the block is undone.
        with transaction_on(alias, savepoint=True):
            yield
            if transaction.get_rollback(using=alias):
                message = (
                    "The transaction of an atomic actor is to be rolled back: the actor has called "
                    "set_rollback(True), or caught an error of the database without a savepoint."
                )
                raise TransactionManagementError(message)


def _refuse_writes(alias: str) -> Any:
    def wrapper(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        words = str(sql).split(None, 1)
        if words and words[0].upper().strip("(") in _READING:
            return execute(sql, params, many, context)
        other = context["connection"].alias
        message = (
            f"An atomic actor writes to the database {other!r}; its transaction is on {alias!r}, "
            "and would not undo that."
        )
        raise ConfigurationError(message)

    return wrapper
