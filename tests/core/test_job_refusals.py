"""A bad value is a ValueError of the constructor: which, what it got, what it wants."""

import math
from datetime import UTC, date, datetime, timedelta, timezone
from functools import partial

import pytest

from django_repid import InvalidJob, Job, PayloadTooLarge, Queue
from tests.core.kit import in_memory

SMALL = timedelta(milliseconds=999)


def not_an_actor(): ...


REFUSED = [
    # argument, value, what else the text must say
    ("name", "", "letter"),
    ("name", "1st", "'1st'"),
    ("name", "a b", "'a b'"),
    ("name", "a\n", "letter"),
    ("name", "é", "letter"),
    ("name", "a" * 256, "at most 255"),
    ("name", None, "NoneType"),
    ("name", 5, "int"),
    ("name", b"a", "bytes"),
    ("queue", "", "letter"),
    ("queue", "-q", "'-q'"),
    ("queue", "q" * 65, "at most 64"),
    ("queue", 5, "int"),
    ("id_", "", "letters, digits"),
    ("id_", "a.b", "'a.b'"),
    ("id_", "a" * 129, "at most 128"),
    ("id_", 5, "int"),
    ("args_id", "a b", "'a b'"),
    ("args_id", 5, "int"),
    ("result_id", "a/b", "'a/b'"),
    ("result_id", "a" * 129, "at most 128"),
    ("priority", 32768, "32767"),
    ("priority", -32769, "-32768"),
    ("priority", 1.5, "1.5"),
    ("priority", "5", "'5'"),
    ("priority", True, "True"),
    ("priority", None, "None"),
    ("retries", -1, "at least 0"),
    ("retries", 2**31, "int"),
    ("retries", 1.0, "1.0"),
    ("retries", False, "False"),
    ("timeout", SMALL, "at least one second"),
    ("timeout", timedelta(0), "at least one second"),
    ("timeout", 5, "timedelta"),
    ("ttl", SMALL, "at least one second"),
    ("ttl", timedelta(seconds=-9), "at least one second"),
    ("ttl", 1.5, "timedelta"),
    ("args_ttl", timedelta(0), "at least one second"),
    ("args_ttl", "1d", "timedelta"),
    ("result_ttl", SMALL, "at least one second"),
    ("result_ttl", 86400, "timedelta"),
    ("deferred_until", "2024-01-01", "datetime"),
    ("deferred_until", date(2024, 1, 1), "datetime"),
    ("deferred_until", 1700000000, "datetime"),
    ("headers", ["a"], "map"),
    ("headers", {"a": 1}, "str to str"),
    ("headers", {1: "a"}, "str to str"),
    ("headers", {"a": None}, "str to str"),
    ("headers", {"a": "\x00"}, "NUL"),
    ("headers", {"\ud800": "a"}, "surrogate"),
    ("headers", {"a": "x" * 8192}, "8192"),
    ("on_duplicate", "ignore", "'skip', 'raise' or 'replace'"),
    ("on_duplicate", None, "None"),
    ("on_duplicate", [], "skip"),
    ("args", [1], "JSON object"),
    ("args", "text", "JSON object"),
    ("args", 5, "JSON object"),
    ("args", {1, 2}, "JSON object"),
    ("args", object(), "object"),
    ("args", {"a": object()}, "object"),
    ("args", {"a": b"x"}, "base64"),
    ("args", {"a": math.nan}, "JSON"),
    ("args", {"a": math.inf}, "JSON"),
    ("args", {"a": "x\x00"}, "NUL"),
    ("args", {"x\x00": 1}, "NUL"),
    ("args", {"a": ["\ud800"]}, "surrogate"),
    ("use_args_bucketer", True, "ARGS_BUCKET_BROKER"),
]


@pytest.mark.parametrize(
    ("argument", "value", "text"),
    REFUSED,
    ids=[ascii(row[:2])[:60] + f"-{n}" for n, row in enumerate(REFUSED)],
)
def test_a_bad_value_is_refused_by_the_constructor(argument, value, text, connection):
    given = {"name": "greet", "connection": connection, argument: value}
    with pytest.raises(ValueError, match=argument) as caught:
        Job(**given)
    assert isinstance(caught.value, InvalidJob)
    assert text in str(caught.value)


def test_store_result_needs_a_results_bucket_broker():
    with pytest.raises(InvalidJob, match=r"store_result=True.*RESULTS_BUCKET_BROKER"):
        Job("greet", store_result=True, connection=in_memory(results=False))


def test_an_args_id_alone_needs_a_broker_to_read_it_from():
    with pytest.raises(InvalidJob, match=r"args_id='a'.*no bucket broker"):
        Job("greet", args_id="a", connection=in_memory(results=False))


def test_result_and_arguments_cannot_share_a_bucket(connection):
    with pytest.raises(InvalidJob, match=r"result_id and args_id must differ.*'same'"):
        Job("greet", args_id="same", result_id="same", connection=connection)


@pytest.mark.parametrize(("filling", "size"), [("x", 110), ("é", 22)])
def test_arguments_above_the_limit_are_refused_with_both_sizes(filling, size):
    """In the text, an é takes six bytes: it is escaped."""
    connection = in_memory(payload_limit_bytes=100)
    with pytest.raises(PayloadTooLarge, match=r"args take 1\d\d bytes, more than the 100"):
        Job("greet", args={"a": filling * size}, connection=connection)


def test_arguments_at_the_limit_are_taken():
    connection = in_memory(payload_limit_bytes=100)
    job = Job("greet", args={"a": "x" * 92}, connection=connection)
    assert job.args == '{"a":"' + "x" * 92 + '"}'


def test_the_limit_is_meant_in_bytes_of_text_that_is_not_ascii():
    connection = in_memory(payload_limit_bytes=100)
    connection.serializer = lambda data: f'{{"a":"{data["a"]}"}}'
    assert Job("greet", args={"a": "é" * 46}, connection=connection).args
    with pytest.raises(PayloadTooLarge):
        Job("greet", args={"a": "é" * 47}, connection=connection)


def test_a_value_that_contains_itself_is_refused(connection):
    loop: dict[str, object] = {}
    loop["again"] = loop
    with pytest.raises(InvalidJob, match="args"):
        Job("greet", args=loop, connection=connection)


@pytest.mark.parametrize("argument", ["args_ttl", "result_ttl"])
def test_a_bucket_cannot_be_kept_longer_than_time_lasts(argument, connection):
    with pytest.raises(InvalidJob, match=argument):
        Job(**{"name": "greet", "connection": connection, argument: timedelta.max})


@pytest.mark.parametrize(
    "moment",
    [
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=5))),
    ],
    ids=["after the last year", "before the first year"],
)
def test_a_moment_that_is_none_in_utc_is_refused(moment, connection):
    with pytest.raises(InvalidJob, match="deferred_until is out of range"):
        Job("greet", deferred_until=moment, connection=connection)


@pytest.mark.parametrize("fn", [not_an_actor, lambda: None, partial(not_an_actor), len, dict])
def test_a_function_that_is_no_actor_is_refused(fn, connection):
    with pytest.raises(InvalidJob, match=r"registered as nothing.*@router\.actor"):
        Job(fn, connection=connection)


def test_an_unknown_argument_is_refused(connection):
    with pytest.raises(TypeError, match="colour"):
        Job("greet", colour="blue", connection=connection)  # type: ignore[call-arg]  # the mistake


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("name", "a" * 255),
        ("name", "_a-b.c9"),
        ("queue", "q" * 64),
        ("queue", Queue("mail")),
        ("id_", "a" * 128),
        ("id_", "0-_"),
        ("priority", 32767),
        ("priority", -32768),
        ("retries", 0),
        ("timeout", timedelta(seconds=1)),
        ("ttl", timedelta(seconds=1)),
        ("args_ttl", timedelta(days=36500)),
        ("result_ttl", None),
        ("deferred_until", datetime(1999, 1, 1, tzinfo=UTC)),
        ("headers", {}),
        ("headers", {"tenant": "é"}),
        ("args", {}),
        ("args", {"a": "\\u0000 \\ud800 😀"}),
        ("args", {"a": "\ud83d\ude00"}),
        ("on_duplicate", "replace"),
        ("use_args_bucketer", False),
    ],
    ids=ascii,
)
def test_a_value_at_the_edge_is_taken(argument, value, connection):
    given = {"name": "greet", "connection": connection, argument: value}
    assert Job(**given).order().message.key.topic == given["name"]
