"""Settings of the test suite. REPID_TEST_DATABASE says which kind of database it runs on."""

import os
import tempfile
from pathlib import Path

DATABASE = os.environ.get("REPID_TEST_DATABASE", "sqlite")
# With another prefix two runs can share a server.
_PREFIX = os.environ.get("REPID_TEST_PREFIX", "test_repid")

_FOLDER = Path(os.environ.get("REPID_TEST_FOLDER") or tempfile.mkdtemp(prefix="repid-tests-"))
# Subprocesses of the suite find the same files.
os.environ["REPID_TEST_FOLDER"] = str(_FOLDER)


def _sqlite(name: str) -> dict[str, object]:
    # Files, not memory: threads and processes must see one database.
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": _FOLDER / f"{name}.sqlite3",
        "TEST": {"NAME": _FOLDER / f"test_{name}.sqlite3"},
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }


def _postgres(name: str) -> dict[str, object]:
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ.get("PGDATABASE", "postgres"),
        "USER": os.environ.get("PGUSER", "postgres"),
        "PASSWORD": os.environ.get("PGPASSWORD", ""),
        "HOST": os.environ.get("PGHOST", "127.0.0.1"),
        "PORT": os.environ.get("PGPORT", "5432"),
        "TEST": {"NAME": f"{_PREFIX}_{name}"},
    }


def _mariadb(name: str) -> dict[str, object]:
    return {
        "ENGINE": "django.db.backends.mysql",
        "NAME": f"repid_{name}",
        "USER": os.environ.get("MYSQL_USER", "root"),
        "PASSWORD": os.environ.get("MYSQL_PWD", ""),
        "HOST": os.environ.get("MYSQL_HOST", "127.0.0.1"),
        "PORT": os.environ.get("MYSQL_TCP_PORT", "3306"),
        "OPTIONS": {"charset": "utf8mb4"},
        "TEST": {"NAME": f"{_PREFIX}_{name}", "CHARSET": "utf8mb4"},
    }


_make = {"sqlite": _sqlite, "postgres": _postgres, "mariadb": _mariadb}[DATABASE]

DATABASES = {"default": _make("default"), "other": _make("other")}

# A worker in a subprocess works on the database that the suite has made.
if os.environ.get("REPID_TEST_CHILD"):
    for _database in DATABASES.values():
        _database["NAME"] = _database["TEST"]["NAME"]  # type: ignore[index]  # dicts, both
    if DATABASE != "sqlite" and (_other := os.environ.get("REPID_TEST_CHILD_DATABASE")):
        DATABASES["default"]["NAME"] = _other

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django_repid",
    "tests.shop",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
ROOT_URLCONF = "tests.shop.urls"
SECRET_KEY = "tests only"
STATIC_URL = "/static/"
USE_TZ = True
TIME_ZONE = "Europe/Berlin"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
