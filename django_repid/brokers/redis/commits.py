"""The transactions of Django's databases, as far as an enqueue to another store waits for them."""

import sys
from collections.abc import Callable

from django_repid.core.errors import ConfigurationError


def on_commit_of(alias: str | None) -> Callable[[Callable[[], None]], None] | None:
    """Return how to be called when the calling thread's transaction on an alias commits.

    None where no transaction is open there, or Django is not used at all.

    Raises:
        ConfigurationError: DATABASES has no such alias.

    """
    if alias is None or "django.db" not in sys.modules:
        return None  # without that module there is no transaction
    from django.conf import settings
    from django.db import connections, transaction

    if not settings.configured:
        return None
    if alias not in connections:
        message = f"commit_with={alias!r}: DATABASES has no such alias."
        raise ConfigurationError(message)
    if not connections[alias].in_atomic_block:
        return None
    return lambda written: transaction.on_commit(written, using=alias)
