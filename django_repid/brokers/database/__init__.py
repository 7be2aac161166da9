"""Brokers whose tables are Django models: SQLite, PostgreSQL, MariaDB, MySQL.

`message_broker` and `bucket_broker` are the protocols over rows, `statements` what the vendors'
SQL has in common, and `postgresql`, `sqlite` and `mysql` what differs.
"""

from django_repid.brokers.database.bucket_broker import DatabaseBucketBroker
from django_repid.brokers.database.message_broker import DatabaseMessageBroker

__all__ = ["DatabaseBucketBroker", "DatabaseMessageBroker"]
