"""Settings, system checks, discovery."""

import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.apps import apps
from django.core.checks import run_checks
from django.db import connections as databases
from django.test import override_settings

from django_repid import (
    ActorConflict,
    BasicConverter,
    Config,
    ConfigurationError,
    DatabaseBucketBroker,
    DatabaseMessageBroker,
    InMemoryBucketBroker,
    InMemoryMessageBroker,
    Job,
    Router,
    default_serializer,
    discovery,
)
from django_repid.brokers.database import access
from django_repid.connections import connections

MEMORY = {
    "MESSAGE_BROKER": "django_repid.brokers.memory.InMemoryMessageBroker",
    "ARGS_BUCKET_BROKER": "django_repid.brokers.memory.InMemoryBucketBroker",
    "RESULTS_BUCKET_BROKER": {"CLASS": "django_repid.brokers.memory.InMemoryBucketBroker"},
}


def found(*ids: str) -> list[str]:
    return [str(m.msg) for m in run_checks() if m.id in {f"django_repid.{i}" for i in ids}]


def test_no_settings_at_all_mean_the_database() -> None:
    connection = connections["default"]

    assert isinstance(connection.message_broker, DatabaseMessageBroker)
    assert connection.args_bucket_broker is None
    assert isinstance(connection.results_bucket_broker, DatabaseBucketBroker)
    assert connection.results_bucket_broker.use_result_bucket
    assert connection.message_broker.stores(connection.results_bucket_broker)
    assert connections["default"] is connection


@override_settings(REPID={"default": MEMORY, "second": {"OPTIONS": {"THREADS": 3}}})
def test_aliases_are_made_as_the_settings_say() -> None:
    first, second = connections["default"], connections["second"]

    assert isinstance(first.message_broker, InMemoryMessageBroker)
    assert isinstance(first.args_bucket_broker, InMemoryBucketBroker)
    assert first.results_bucket_broker is not None
    assert first.results_bucket_broker.use_result_bucket
    assert second.options.threads == 3
    assert isinstance(second.message_broker, DatabaseMessageBroker)
    assert Job("add", connection="second").connection is second
    assert Job("add").connection is first


def test_settings_that_change_are_read_again() -> None:
    before = connections["default"]

    with override_settings(REPID={"default": {"OPTIONS": {"CLAIM_BATCH": 7}}}):
        assert connections["default"].options.claim_batch == 7

    assert connections["default"] is not before
    assert connections["default"].options.claim_batch == 100


@override_settings(REPID={"default": {"OPTIONS": {"ACTOR_PROCESSES": 3, "CHILD_JOBS_LIMIT": None}}})
def test_limits_of_processes_may_be_off() -> None:
    options = connections["default"].options

    assert (options.actor_processes, options.child_jobs_limit) == (3, None)
    assert options.child_memory_limit_mb is None


@pytest.mark.parametrize(
    ("repid", "message"),
    [
        ({"OPTIONS": {"THREADS": 1}}, "OPTIONS belongs into REPID['default']"),
        ({"default": {"OPTION": {}}}, "no key 'OPTION'. Did you mean 'OPTIONS'"),
        ({"default": {"OPTIONS": {"THREAD": 1}}}, "no key 'THREAD'. Did you mean 'THREADS'"),
        ({"default": {"OPTIONS": {"EAGERLY": True}}}, "no key 'EAGERLY'"),
        ({"default": {"OPTIONS": {"THREADS": 1.5}}}, "must be an int above 0, not 1.5"),
        ({"default": {"OPTIONS": {"THREADS": True}}}, "must be an int above 0"),
        ({"default": {"OPTIONS": {"THREADS": None}}}, "must be an int above 0, not None"),
        ({"default": {"OPTIONS": {"ACTOR_PROCESSES": 0}}}, "must be an int above 0, not 0"),
        ({"default": {"OPTIONS": {"CHILD_JOBS_LIMIT": 0}}}, "must be an int above 0, not 0"),
        ({"default": {"OPTIONS": {"CHILD_MEMORY_LIMIT_MB": 0.5}}}, "an int above 0, not 0.5"),
        ({"default": {"OPTIONS": {"SILENCE_SECONDS": -1}}}, "must be a number above 0"),
        ({"default": {"OPTIONS": {"SERIALIZER": 5}}}, "must be text"),
        ({"default": {"OPTIONS": {"SECRET_ARGUMENTS": "pin"}}}, "must be a list of names"),
        ({"default": {"OPTIONS": {"SECRET_ARGUMENTS": ["pin", 5]}}}, "must be a list of names"),
        ({"default": {"OPTIONS": {"SECRET_ARGUMENTS": ["_1"]}}}, "that hold letters, not ['_1']"),
        ({"other": {"OPTIONS": {"SECRET_ARGUMENTS": []}}}, "holds for the whole process"),
        ({"other": {"OPTIONS": {"CONVERTER": "a.B"}}}, "CONVERTER holds for the whole process"),
        ({"default": {"OPTIONS": {"SERIALIZER": "a.b"}}}, "leads nowhere"),
        ({"default": {"OPTIONS": {"CONVERTER": "a.b"}}}, "leads nowhere"),
        ({"default": {"OPTIONS": {"SILENCE_SECONDS": 6}}}, "at least twice BEAT_SECONDS (5"),
        ({"default": {"OPTIONS": []}}, "['OPTIONS'] must be a dict"),
        ({"default": []}, "must be a dict"),
        ([], "REPID must be a dict of aliases"),
        ({"default": {"MESSAGE_BROKER": None}}, "must be a dotted path"),
        ({"default": {"MESSAGE_BROKER": "nowhere.at.All"}}, "leads nowhere"),
        (
            {"default": {"MESSAGE_BROKER": {"CLASS": MEMORY["MESSAGE_BROKER"], "x": 1}}},
            "InMemoryMessageBroker cannot be made with x: ",
        ),
        (
            {
                "default": {
                    "MESSAGE_BROKER": {
                        "CLASS": "django_repid.brokers.database.DatabaseMessageBroker",
                        "database": "nope",
                    }
                }
            },
            "DATABASES has no alias 'nope'",
        ),
    ],
)
def test_a_wrong_setting_is_an_error_with_a_cure(repid: Any, message: str) -> None:
    with override_settings(REPID=repid):
        (text,) = found("E001")
        assert message in text


def test_an_alias_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(ConfigurationError, match=r"no alias 'nope'; it has default"):
        Job("add", connection="nope")


def upper(data: Any) -> str:
    return default_serializer(data).upper()


def test_serializer_converter_and_secret_names_hold_for_the_process() -> None:
    options = {
        "SERIALIZER": "tests.shell.test_settings.upper",
        "CONVERTER": "django_repid.BasicConverter",
        "SECRET_ARGUMENTS": ["pin"],
    }

    with override_settings(REPID={"default": {"OPTIONS": options}}):
        assert Config.SERIALIZER is upper
        assert Config.CONVERTER is BasicConverter
        assert Config.SECRET_ARGUMENTS == ("pin",)
        assert Job("add", args={"a": "x"}).args == '{"A":"X"}'

    assert Config.SERIALIZER is default_serializer
    assert Config.CONVERTER is None
    assert "password" in Config.SECRET_ARGUMENTS


def test_actors_of_every_app_are_found() -> None:
    assert {"add", "send_receipt"} <= discovery.router().actors.keys()


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Put a module in the place of the shop's tasks."""

    def put(**names: Any) -> None:
        module = types.SimpleNamespace(**names)
        monkeypatch.setattr(discovery, "import_module", lambda path: module)
        discovery.forget()

    yield put
    monkeypatch.undo()
    discovery.forget()


def test_two_actors_of_one_name_are_an_error(tasks: Callable[..., None]) -> None:
    one, two = Router(), Router()

    @one.actor(name="same")
    def first() -> None: ...

    @two.actor(name="same")
    def second() -> None: ...

    tasks(one=one, two=two)

    (text,) = found("E003")
    assert "'same'" in text
    with pytest.raises(ActorConflict):
        discovery.router()


def test_one_router_under_two_names_is_no_conflict(tasks: Callable[..., None]) -> None:
    router = Router()

    @router.actor
    def once() -> None: ...

    tasks(one=router, again=router)

    assert found("E002", "E003") == []
    assert set(discovery.router().actors) == {"once"}


def test_a_tasks_module_that_does_not_import_fails_loudly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def explode(path: str) -> None:
        raise ZeroDivisionError("in the middle of an import")

    monkeypatch.setattr(discovery, "import_module", explode)
    discovery.forget()

    (text,) = found("E002")
    assert text == (
        "tests.shop.tasks does not import: ZeroDivisionError: in the middle of an import"
    )
    with pytest.raises(ConfigurationError, match=r"tests\.shop\.tasks"):
        Job("add").queue  # noqa: B018 - the look-up is the point
    monkeypatch.undo()
    discovery.forget()


def test_sqlite_with_djangos_defaults_is_warned_about(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found("W002") == []

    monkeypatch.setitem(databases["default"].settings_dict, "OPTIONS", {})

    (warning,) = [m for m in run_checks() if m.id == "django_repid.W002"]
    assert '"transaction_mode": "IMMEDIATE"' in str(warning.hint)


def test_another_database_without_commit_with_is_warned_about() -> None:
    broker = {"CLASS": "django_repid.brokers.database.DatabaseMessageBroker", "database": "other"}

    with override_settings(REPID={"default": {"MESSAGE_BROKER": broker}}):
        assert len(found("W001")) == 1
    with override_settings(
        REPID={"default": {"MESSAGE_BROKER": {**broker, "commit_with": "default"}}}
    ):
        assert found("W001") == []


def test_a_pool_that_is_too_small_is_warned_about(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {**databases["default"].settings_dict["OPTIONS"], "pool": {"max_size": 4}}
    monkeypatch.setitem(databases["default"].settings_dict, "OPTIONS", options)

    (text,) = found("W003")

    assert "has 4 connections" in text
    assert "24" in text


def test_a_router_decides_where_the_tables_are(settings: Any) -> None:
    settings.DATABASE_ROUTERS = ["tests.shell.test_settings.ToOther"]

    assert DatabaseMessageBroker().alias == "other"
    assert access.alias_for("default", apps.get_model("django_repid", "Message")) == "default"


class ToOther:
    """Writes django_repid's rows to another database."""

    def db_for_write(self, model: Any, **_: Any) -> str | None:
        return "other" if model._meta.app_label == "django_repid" else None
