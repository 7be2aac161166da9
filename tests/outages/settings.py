"""The project that workers and producers of the outage tests run in.

The environment leads it to a server, as that of `tests.settings`. OUTAGE_DATABASE names the
database, OUTAGE_BROKER has more arguments of the message broker's, as JSON, and OUTAGE_JOURNAL
says which journal SQLite keeps.
"""

import json
import os

from tests.settings import *  # noqa: F403 - settings are built on settings
from tests.settings import DATABASES, INSTALLED_APPS

DATABASES = {"default": {**DATABASES["default"], "NAME": os.environ["OUTAGE_DATABASE"]}}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    _journal = os.environ.get("OUTAGE_JOURNAL", "WAL")
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 1,
        "init_command": f"PRAGMA journal_mode={_journal}; PRAGMA synchronous=NORMAL;",
    }

INSTALLED_APPS = [*INSTALLED_APPS, "tests.outages.app"]

REPID = {
    "default": {
        "MESSAGE_BROKER": {
            "CLASS": "django_repid.brokers.database.DatabaseMessageBroker",
            **json.loads(os.environ.get("OUTAGE_BROKER", "{}")),
        },
        "OPTIONS": {"SILENCE_SECONDS": 3.0, "BEAT_SECONDS": 1.0},
    },
}
