"""Settings of the measured project. The environment says which store and which system it is for."""

import os
from typing import Any

STORE = os.environ.get("REPID_BENCH_STORE", "sqlite")
NAME = os.environ.get("REPID_BENCH_NAME", ":memory:")
SYSTEM = os.environ.get("REPID_BENCH_MODULE", "ours")
#: What is configured here and used by no job: it should cost nothing.
UNUSED = bool(os.environ.get("REPID_BENCH_UNUSED"))


def _database() -> dict[str, Any]:
    if STORE == "postgres":
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": NAME,
            "USER": os.environ.get("PGUSER", "postgres"),
            "PASSWORD": os.environ.get("PGPASSWORD", ""),
            "HOST": os.environ.get("PGHOST", "127.0.0.1"),
            "PORT": os.environ.get("PGPORT", "5432"),
        }
    if STORE == "mariadb":
        return {
            "ENGINE": "django.db.backends.mysql",
            "NAME": NAME,
            "USER": os.environ.get("MYSQL_USER", "root"),
            "PASSWORD": os.environ.get("MYSQL_PWD", ""),
            "HOST": os.environ.get("MYSQL_HOST", "127.0.0.1"),
            "PORT": os.environ.get("MYSQL_TCP_PORT", "3306"),
            "OPTIONS": {"charset": "utf8mb4"},
        }
    synchronous = os.environ.get("REPID_BENCH_SYNCHRONOUS", "NORMAL")
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": ":memory:" if STORE == "redis" else NAME,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": f"PRAGMA journal_mode=WAL; PRAGMA synchronous={synchronous};",
        },
    }


# As it comes Django makes a connection anew for each job of django-tasks-db and django-q2: too slow
# to compare with. The workers of the others keep theirs by themselves.
DATABASES = {"default": {**_database(), "CONN_MAX_AGE": None}}
SECRET_KEY = "benchmarks only"
USE_TZ = True

INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes"]
if SYSTEM == "ours":
    INSTALLED_APPS += ["django_repid", "tests.benchmarks.project"]
elif SYSTEM == "rivals.django_tasks_db":
    INSTALLED_APPS += ["django_tasks_db"]
    TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
elif SYSTEM == "rivals.django_q2":
    INSTALLED_APPS += ["django_q"]
    # Its best settings: one worker process, and no clearing away of results after each job.
    Q_CLUSTER = {"name": "bench", "orm": "default", "workers": 1, "bulk": 10, "save_limit": 0}
elif SYSTEM == "rivals.procrastinate":
    INSTALLED_APPS += ["procrastinate.contrib.django"]
    PROCRASTINATE_IMPORT_PATHS = ["tests.benchmarks.rivals.procrastinate"]

BUCKETED = {"ARGS_BUCKET_BROKER": "django_repid.brokers.database.DatabaseBucketBroker"}
REPID: dict[str, Any] = {}
if UNUSED:
    REPID = {
        "default": {},
        "second": {**BUCKETED, "OPTIONS": {"THREADS": 2, "CLAIM_BATCH": 10}},
        "third": {},
    }
if STORE == "redis":
    _redis = "django_repid.brokers.redis.Redis{}Broker"
    REPID = {
        "default": {
            "MESSAGE_BROKER": {"CLASS": _redis.format("Message"), "dsn": NAME},
            "RESULTS_BUCKET_BROKER": {"CLASS": _redis.format("Bucket"), "dsn": NAME},
        }
    }
if os.environ.get("REPID_BENCH_BUCKETED"):
    REPID = {"default": {}, "bucketed": BUCKETED}
