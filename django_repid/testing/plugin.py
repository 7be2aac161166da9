"""The pytest plugin: a connection in memory for tests that are marked `repid`, and fixtures.

Found by pytest through its entry point. Nothing of it is set up for a test without the marker.
"""

from collections.abc import Iterator
from typing import Any

import pytest

MARKER = (
    "repid(routers=[…], connection=None, autoconnection=True, declare_all_known_queues=False): "
    "jobs of this test go to a connection of its own, in memory or under an alias of the settings; "
    "those for actors of the routers run when they are enqueued"
)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", MARKER)


@pytest.fixture(autouse=True)
def _repid(request: pytest.FixtureRequest) -> None:
    """Set up what the marker of a test asks for."""
    if request.node.get_closest_marker("repid") is None:
        return
    if _option(request, "autoconnection", default=True):
        request.getfixturevalue("repid_connection")
    if _option(request, "declare_all_known_queues", default=False):
        request.getfixturevalue("repid_declare_all_known_queues")


@pytest.fixture
def repid_connection(request: pytest.FixtureRequest, repid_mocks: Any) -> Iterator[Any]:
    """Return the test's connection, the process's default meanwhile."""
    from django_repid.core.connection import default_connection
    from django_repid.worker.here import Here

    connection = _connection(_option(request, "connection", default=None))
    before = connection.run_at_once
    actors = repid_mocks.router.actors
    if actors:
        connection.run_at_once = Here(connection, actors).at_once
    try:
        with default_connection(connection):
            yield connection
    finally:
        connection.run_at_once = before


@pytest.fixture
def repid_app(repid_connection: Any) -> Any:
    """Return the `Repid` of the test's connection."""
    from django_repid.core.connection import Repid

    return Repid(repid_connection)


@pytest.fixture
def repid_mocks(request: pytest.FixtureRequest) -> Any:
    """Return the mocks of the actors that the test's markers name."""
    from django_repid.core.router import Router
    from django_repid.testing.mocks import Mocks

    routers = []
    for mark in request.node.iter_markers("repid"):
        for router in mark.kwargs.get("routers") or ():
            if not isinstance(router, Router):
                pytest.fail(f"The repid marker's routers hold {router!r}, which is no Router.")
            routers.append(router)
    return Mocks(routers)


@pytest.fixture
def repid_get_mocked_actor(repid_mocks: Any) -> Any:
    """Return a function from an actor's name to the mock that its calls go through."""
    return repid_mocks.__getitem__


@pytest.fixture
def repid_get_event_log(repid_connection: Any) -> Any:
    """Return a function that returns what was done on the test's connection, in order."""
    from django_repid.testing.events import record

    log = record(repid_connection)
    return lambda: sorted(log, key=lambda event: event.perf_counter)


@pytest.fixture
def repid_get_in_memory_queue(repid_connection: Any) -> Any:
    """Return a function from a queue, or its name, to what is in it; None for nothing."""
    from django_repid.testing.memory import look

    return lambda queue: look(repid_connection, queue)


@pytest.fixture
def repid_declare_all_known_queues(repid_connection: Any, repid_mocks: Any) -> None:
    """Declare the queues that the actors of the test's routers name."""
    from django_repid.core.queue import Queue

    for name in sorted(repid_mocks.router.queues):
        Queue(name, repid_connection).declare_sync()


@pytest.fixture
def repid_clock() -> Iterator[Any]:
    """Return a clock to travel with; see `django_repid.testing.travel`."""
    from django_repid.testing.travel import travel

    with travel() as clock:
        yield clock


def _option(request: pytest.FixtureRequest, name: str, *, default: Any) -> Any:
    """Return what the nearest marker that says anything about it says."""
    for mark in request.node.iter_markers("repid"):
        if name in mark.kwargs:
            return mark.kwargs[name]
    return default


def _connection(which: Any) -> Any:
    from django_repid.core.connection import Connection, get_connection

    if which is not None:
        return get_connection(which)
    from django_repid.brokers.memory import InMemoryBucketBroker, InMemoryMessageBroker

    return Connection(
        InMemoryMessageBroker(),
        InMemoryBucketBroker(),
        InMemoryBucketBroker(use_result_bucket=True),
        alias="test",
    )
