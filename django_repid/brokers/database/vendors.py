"""Which statements a database takes."""

from functools import lru_cache

from django.db.backends.base.base import BaseDatabaseWrapper

from django_repid.brokers.database.mysql import MySQLStatements
from django_repid.brokers.database.postgresql import PostgreSQLStatements
from django_repid.brokers.database.sqlite import SQLiteStatements
from django_repid.brokers.database.statements import Statements
from django_repid.core.errors import ConfigurationError

_BY_VENDOR: dict[str, type[Statements]] = {
    "mysql": MySQLStatements,  # MariaDB too: Django gives both one vendor
    "postgresql": PostgreSQLStatements,
    "sqlite": SQLiteStatements,
}


def statements_for(connection: BaseDatabaseWrapper) -> Statements:
    """Return the statements for the database behind a connection.

    Raises:
        ConfigurationError: django_repid has none for it.

    """
    return _make(connection.vendor)


@lru_cache(maxsize=8)
def _make(vendor: str) -> Statements:
    if vendor not in _BY_VENDOR:
        known = ", ".join(sorted(_BY_VENDOR))
        message = f"django_repid has no statements for {vendor!r}; it knows {known}."
        raise ConfigurationError(message)
    return _BY_VENDOR[vendor]()
