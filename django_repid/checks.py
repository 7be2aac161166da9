"""System checks: what `manage.py check` teaches.

=====  ===========================================================================================
E001   a setting is wrong: unknown key, wrong kind of value, broker that cannot be made
E002   a `tasks` module does not import
E003   two actors have one name
E004   an atomic actor, and a connection that cannot run it
E005   two Redis brokers would send each other's jobs from one outbox
E010   (database) the server has no SKIP LOCKED, or is no database that django_repid knows
W001   messages live on another database than the models, and no `commit_with` joins them
W002   SQLite runs with Django's defaults, under which a worker and views lock each other out
W003   a connection pool is too small for the worker
W011   (database) the tables are missing or outdated
W012   (database) a Redis that holds jobs or results throws keys away when it is full
=====  ===========================================================================================
"""

import re
from collections.abc import Iterable
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import DEFAULT_DB_ALIAS
from django.db import connections as databases
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from django_repid import conf, discovery
from django_repid.brokers.database import DatabaseBucketBroker, DatabaseMessageBroker
from django_repid.brokers.redis import RedisBell, RedisBucketBroker, RedisMessageBroker
from django_repid.brokers.redis.access import Place
from django_repid.connections import configure, connections
from django_repid.core.connection import Connection
from django_repid.core.errors import ActorConflict, ConfigurationError
from django_repid.worker.atomic import check_atomic

#: What a worker and views beside each other need of SQLite, to be pasted into DATABASES.
SQLITE_OPTIONS = """"OPTIONS": {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
},"""

#: Seconds for which a writer should be ready to wait for another. Django's default is 5.
_LEAST_TIMEOUT = 10

#: The connections of a worker beside those of its actors: broker, heartbeat, janitor, and on
#: PostgreSQL the bell.
OWN_CONNECTIONS = 4


@register("django_repid")
def check_settings(**_: Any) -> list[CheckMessage]:
    """Check REPID, and that its brokers can be made."""
    found: list[CheckMessage] = []
    try:
        aliases = conf.aliases()
    except ConfigurationError as error:
        return [Error(str(error), id="django_repid.E001")]
    for alias in aliases:
        wrong = list(conf.problems(alias))
        found += [Error(text, id="django_repid.E001") for text in wrong]
        if not wrong:
            try:
                found += _about(connections[alias])
            except ConfigurationError as error:
                found.append(Error(str(error), id="django_repid.E001"))
    return found or [*_about_outboxes(aliases), *_about_defaults()]


def _about_outboxes(aliases: Iterable[str]) -> Iterable[CheckMessage]:
    """Say which connections would send each other's jobs."""
    places: dict[tuple[str, str], set[object]] = {}
    for broker in (connections[alias].message_broker for alias in aliases):
        if isinstance(broker, RedisMessageBroker) and broker.outbox is not None:
            key = broker.outbox.alias, broker.outbox.target
            places.setdefault(key, set()).add(broker.place.identity)
    for (alias, prefix), found in places.items():
        if len(found) > 1:
            text = (
                f"Connections to {len(found)} Redis places keep their outbox in the database "
                f"{alias!r} under one prefix, {prefix!r}: each would send another's jobs."
            )
            yield Error(text, hint="Give each a prefix of its own.", id="django_repid.E005")


def _about_defaults() -> list[CheckMessage]:
    try:
        configure()
    except ConfigurationError as error:
        return [Error(str(error), id="django_repid.E001")]
    return []


@register("django_repid")
def check_actors(**_: Any) -> list[CheckMessage]:
    """Import the tasks modules, and look for actors of one name."""
    try:
        if any(conf.problems("default")):
            return []  # E001 says it
        discovery.discover()
    except ActorConflict as error:
        return [Error(str(error), id="django_repid.E003")]
    except ConfigurationError as error:
        if isinstance(error.__cause__, Exception):  # what the import of a module raised
            return [Error(str(error), id="django_repid.E002")]
        return []  # E001 says it
    return _about_atomic()


def _about_atomic() -> list[CheckMessage]:
    try:
        check_atomic(discovery.router().actors, connections["default"])
    except ConfigurationError as error:
        return [Error(str(error), id="django_repid.E004")]
    return []


@register(Tags.database)
def check_databases(**given: Any) -> list[CheckMessage]:
    """Check the databases that hold messages and buckets, as far as they can be reached."""
    found: list[CheckMessage] = []
    try:
        used = {alias for name in conf.aliases() for alias in aliases_of(connections[name])}
        places = {str(one): one for name in conf.aliases() for one in places_of(connections[name])}
    except ConfigurationError:
        return []  # E001 says it
    for alias in sorted(used.intersection(given.get("databases") or ())):
        found += [m for m in about_database(alias) if not _before_the_first_migrate(m, alias)]
    if given.get("databases"):
        found += [message for place in places.values() for message in about_redis(place)]
    return found


def _before_the_first_migrate(found: CheckMessage, alias: str) -> bool:
    """Whether a warning would tell a new project to do what it is just doing."""
    return found.id == "django_repid.W011" and not MigrationRecorder(databases[alias]).has_table()


def _brokers_of(connection: Connection) -> tuple[object, ...]:
    return (
        connection.message_broker,
        connection.args_bucket_broker,
        connection.results_bucket_broker,
    )


def aliases_of(connection: Connection) -> list[str]:
    """Return the database aliases that a connection uses."""
    ours = (DatabaseMessageBroker, DatabaseBucketBroker)
    brokers = _brokers_of(connection)
    found = [broker.alias for broker in brokers if isinstance(broker, ours)]
    broker = connection.message_broker
    if isinstance(broker, RedisMessageBroker) and broker.outbox is not None:
        found.append(broker.outbox.alias)
    return list(dict.fromkeys(found))


def places_of(connection: Connection) -> list[Place]:
    """Return where in Redis a connection keeps things, each server once."""
    ours = (RedisMessageBroker, RedisBucketBroker)
    places = (broker.place for broker in _brokers_of(connection) if isinstance(broker, ours))
    return list({str(place): place for place in places}.values())


def about_redis(place: Place) -> list[CheckMessage]:
    """Return what is wrong with a Redis; nothing if it cannot be reached now."""
    try:
        policy = place.evicts()
    except Exception:  # noqa: BLE001 - as in `about_database`
        return []
    if policy is None:
        return []
    # No error: `migrate` runs this too, and what it does has nothing to do with Redis.
    text = f"The Redis {place} throws keys away when it is full ({policy}): jobs or results."
    hint = "Set its maxmemory-policy to noeviction, or give jobs a Redis that is no cache."
    return [checks.Warning(text, hint=hint, id="django_repid.W012")]


def about_database(alias: str) -> list[CheckMessage]:
    """Return what is wrong with a database; nothing if it cannot be reached now."""
    connection = databases[alias]
    try:
        connection.ensure_connection()
        features = connection.features
        if connection.vendor not in {"sqlite", "postgresql", "mysql"}:
            text = f"django_repid has no statements for {connection.vendor} ({alias!r})."
            return [Error(text, id="django_repid.E010")]
        if connection.vendor != "sqlite" and not features.has_select_for_update_skip_locked:
            text = (
                f"The server of {alias!r} has no SKIP LOCKED, which workers need beside each "
                "other: MariaDB 10.6, MySQL 8.0.1 or newer."
            )
            return [Error(text, id="django_repid.E010")]
        executor = MigrationExecutor(connection)
        targets = [key for key in executor.loader.graph.leaf_nodes() if key[0] == "django_repid"]
        if executor.migration_plan(targets):
            text = f"The tables of django_repid on {alias!r} are missing or outdated."
            hint = f"Run manage.py migrate --database {alias}."
            # No error: `migrate` itself runs the database checks, and would refuse to mend it.
            return [checks.Warning(text, hint=hint, id="django_repid.W011")]
    except Exception:  # noqa: BLE001 - since Django 6.1 a mere `check` comes here without a server
        return []
    return []


def _about(connection: Connection) -> Iterable[CheckMessage]:
    places_of(connection)  # raises where a cache is none of Redis
    broker = connection.message_broker
    if isinstance(broker, DatabaseMessageBroker):
        if isinstance(broker.far_bell, RedisBell):
            _ = broker.far_bell.place.client  # raises as above
        yield from _about_alias(connection, broker)
    for alias in aliases_of(connection):
        yield from _about_sqlite(alias)
        yield from _about_pool(alias, connection)


def _about_alias(connection: Connection, broker: DatabaseMessageBroker) -> Iterable[CheckMessage]:
    if broker.alias != DEFAULT_DB_ALIAS and broker.commit_with is None:
        yield checks.Warning(
            f"The messages of REPID[{connection.alias!r}] live on the database {broker.alias!r}: "
            "an enqueue inside a transaction on another one is written at once, and stays if that "
            "transaction rolls back.",
            hint="Say whose commit an enqueue waits for: "
            '"MESSAGE_BROKER": {"CLASS": "django_repid.brokers.database.DatabaseMessageBroker", '
            f'"database": "{broker.alias}", "commit_with": "default"}}',
            id="django_repid.W001",
        )


def _about_sqlite(alias: str) -> Iterable[CheckMessage]:
    settings: Any = databases[alias].settings_dict
    if databases[alias].vendor != "sqlite" or _in_memory(str(settings["NAME"])):
        return
    options = settings.get("OPTIONS", {})
    immediate = str(options.get("transaction_mode", "")).upper() in {"IMMEDIATE", "EXCLUSIVE"}
    wal = re.search(r"journal_mode\s*=\s*wal", options.get("init_command", ""), re.IGNORECASE)
    if not (immediate and wal and options.get("timeout", 5) >= _LEAST_TIMEOUT):
        yield checks.Warning(
            f"The SQLite database {alias!r} runs with settings under which a worker and your views "
            'lock each other out ("database is locked").',
            hint=f"Add to DATABASES[{alias!r}]:\n{SQLITE_OPTIONS}",
            id="django_repid.W002",
        )


def _in_memory(name: str) -> bool:
    return name == ":memory:" or name.startswith("file:memorydb")


def _about_pool(alias: str, connection: Connection) -> Iterable[CheckMessage]:
    pool = databases[alias].settings_dict.get("OPTIONS", {}).get("pool")
    if not isinstance(pool, dict):
        return
    needed = connections_needed(connection) - OWN_CONNECTIONS  # which are in no pool
    size = pool.get("max_size") or pool.get("min_size", 4)
    if size < needed:
        yield checks.Warning(
            f"The pool of {alias!r} has {size} connections; a worker of "
            f"REPID[{connection.alias!r}] may need {needed}.",
            hint=f"Set its max_size to {needed}, or THREADS and DATABASE_LANES lower.",
            id="django_repid.W003",
        )


def connections_needed(
    connection: Connection, threads: int | None = None, processes: int = 0
) -> int:
    """Return how many connections to each database a worker may open.

    `processes`: of actors that run apart, each with one of its own, outside any pool.
    """
    options = connection.options
    own = options.threads if threads is None else threads
    return OWN_CONNECTIONS + own + options.database_lanes + processes
