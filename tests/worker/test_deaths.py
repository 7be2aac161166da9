"""Telling of dead letters: slow and broken listeners cost a worker nothing."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from django_repid.core import host as hosts
from django_repid.core import settlement
from django_repid.core.settlement import Settlement
from django_repid.worker import deaths as module
from django_repid.worker.deaths import Deaths
from tests.core.kit import stored


class Listening(hosts.Host):
    """A host that listens, as slowly as it is told to."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.go_on = threading.Event()
        self.breaks = False

    def hears_failures(self, fn: Callable[..., Any] | None) -> bool:
        if self.breaks:
            raise ZeroDivisionError
        return True

    def job_failed(self, fn: Callable[..., Any] | None, details: dict[str, Any]) -> None:
        assert self.go_on.wait(30)
        self.heard.append(details)


@pytest.fixture
def listening() -> Iterator[Listening]:
    before, host = hosts.host(), Listening()
    hosts.install(host)
    yield host
    host.go_on.set()
    hosts.install(before)


def dead(reason: str = "ValueError: no") -> Settlement:
    return settlement.dead(
        stored(), at=1, reason=reason, result=None, failure=None, tries=2, processed=True
    )


def told(deaths: Deaths) -> None:
    asyncio.run(deaths.told(30, asyncio.Event()))


def test_what_is_told_is_what_the_dead_letter_says(listening: Listening) -> None:
    deaths = Deaths({})
    listening.go_on.set()

    deaths.tell(dead("ValueError: one: two"))
    told(deaths)

    (heard,) = listening.heard
    assert (heard["exception"], heard["text"], heard["tries"]) == ("ValueError", "one: two", 2)
    assert (heard["job_id"], heard["actor"], heard["queue"]) == ("the-id", "greet", "default")
    assert heard["key"] == stored().key


def test_listeners_that_are_too_slow_do_not_fill_the_memory(
    listening: Listening, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_MOST_WAITING", 5)
    deaths = Deaths({})

    with caplog.at_level(logging.ERROR):
        for _ in range(50):
            deaths.tell(dead())
    listening.go_on.set()
    told(deaths)

    assert 5 <= len(listening.heard) <= 6  # one may have been taken out already
    assert caplog.text.count("too slow") in {1, 2}


def test_a_host_that_breaks_is_logged_and_stops_nothing(
    listening: Listening, caplog: pytest.LogCaptureFixture
) -> None:
    listening.breaks = True
    Deaths({}).tell(dead())
    assert "It cannot be told that job the-id has failed" in caplog.text


def test_a_second_stop_does_not_wait_for_listeners(
    listening: Listening, caplog: pytest.LogCaptureFixture
) -> None:
    deaths = Deaths({})
    deaths.tell(dead())
    deaths.tell(dead())

    async def hurry() -> None:
        hurry = asyncio.Event()
        hurry.set()
        await deaths.told(60, hurry)

    asyncio.run(hurry())

    assert listening.heard == []
    assert "receivers of job_failed still run" in caplog.text
    listening.go_on.set()
    assert deaths._thread is not None
    deaths._thread.join(30)  # it would tell the host of the next test
    assert len(listening.heard) == 2
