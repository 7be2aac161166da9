"""No text from outside begins a line of a log, or commands a terminal."""

import io
import logging
from typing import Any

import pytest

from django_repid import Job, Router
from django_repid.core.serializer import printable
from django_repid.management.terminal import TerminalFormatter
from django_repid.models import Message
from tests.security.kit import burst, message

pytestmark = pytest.mark.django_db(transaction=True)

FORGED = "2024-01-01 00:00:00 INFO forged"
EVIL = f"a\n{FORGED}\r\x1b[2J\x1b]0;title\x07\x9b31m\u2028\u202eb\x85"


def test_a_text_is_made_printable() -> None:
    assert printable("as it is: ü 😀 ✓") == "as it is: ü 😀 ✓"
    assert printable("a\nb\r\x1b[31m\x00\x7f\x9b\u2028\u202e\ud800") == (
        "a\\nb\\r\\x1b[31m\\x00\\x7f\\x9b\\u2028\\u202e\\ud800"
    )
    assert printable(EVIL).isprintable()


def log_of(**record: Any) -> str:
    """Return what the worker command writes for one record."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TerminalFormatter("%(asctime)s %(levelname)s %(message)s"))
    fields = {"msg": "it failed", "levelno": logging.ERROR, "levelname": "ERROR", **record}
    handler.handle(logging.makeLogRecord(fields))
    return stream.getvalue()


def test_only_a_records_first_line_begins_at_the_left_of_the_terminal() -> None:
    try:
        raise ValueError(EVIL)
    except ValueError as error:
        told = (type(error), error, error.__traceback__)

    text = log_of(msg="job %s failed", args=(EVIL,), exc_info=told)

    first, *more = text.rstrip("\n").split("\n")
    assert first.endswith("ERROR job a")
    assert "ValueError: a" in text
    assert all(line.startswith("    ") for line in more)
    assert text.replace("\n", "").isprintable()


def test_a_traceback_on_the_terminal_stays_a_traceback() -> None:
    try:
        raise ValueError("no")
    except ValueError as error:
        told = (type(error), error, error.__traceback__)

    lines = log_of(exc_info=told).split("\n")

    assert lines[1] == "    Traceback (most recent call last):"
    assert lines[-2] == "    ValueError: no"


def test_what_an_enqueue_logs_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "django_repid"):
        for _ in range(2):
            Job("nobody", id_="once", headers={"x": EVIL}).enqueue_sync()

    assert "waits or runs already" in caplog.text
    assert all(record.getMessage().isprintable() for record in caplog.records)


def test_a_job_for_an_unknown_actor_is_warned_about_in_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    from django_repid.connections import connections
    from django_repid.worker.beat import Heartbeat
    from django_repid.worker.identity import describe
    from django_repid.worker.janitor import Janitor
    from django_repid.worker.schedules import Schedules
    from django_repid.worker.statistics import Statistics

    connection = connections["default"]
    info = describe(name="me", queues=[], topics=[], version="0")
    broker = connection.message_broker
    heartbeat = Heartbeat(broker, info, lambda _: None, seconds=5.0, silence=15.0)
    with caplog.at_level(logging.WARNING, "django_repid"):
        schedules = Schedules(connection, {})
        Janitor(connection, heartbeat, {EVIL: EVIL}, schedules, Statistics()).run_once()
    heartbeat.forget()

    (record,) = caplog.records
    assert record.getMessage().isprintable()
    assert "\\x1b" in record.getMessage()


class Evil(Exception):
    """An exception whose class says evil things, too."""


Evil.__name__ = EVIL


def run_a_failing_job(caplog: pytest.LogCaptureFixture, error: Exception) -> list[str]:
    router = Router()

    @router.actor(retries=1)
    async def work() -> None:
        raise error

    message("work", message_id=EVIL)
    with caplog.at_level(logging.DEBUG, "django_repid"):
        burst(router)
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("error", [ValueError(EVIL), Evil("no"), ValueError("no")])
def test_what_a_failing_job_logs_is_one_line(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    texts = run_a_failing_job(caplog, error)

    assert any("failed with" in text for text in texts)
    assert all(text.isprintable() for text in texts)


def test_the_reason_of_a_dead_letter_is_printable(caplog: pytest.LogCaptureFixture) -> None:
    run_a_failing_job(caplog, ValueError("\x1b[2J"))

    assert Message.objects.get().dead_reason.isprintable()


def test_what_an_unreadable_message_logs_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    router = Router()
    router.actor(name="work")(lambda: None)
    message("work", message_id=EVIL, spec='{"v": 99}')

    with caplog.at_level(logging.DEBUG, "django_repid"):
        burst(router)

    texts = [record.getMessage() for record in caplog.records]
    assert any("newer workers" in text for text in texts)
    assert all(text.isprintable() for text in texts)
