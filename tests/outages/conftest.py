"""Servers for the tests of outages."""

from collections.abc import Iterator

import pytest

from tests.outages.kit import Stage, on_mariadb, on_postgres


@pytest.fixture
def postgres() -> Iterator[Stage]:
    with on_postgres() as stage:
        yield stage


@pytest.fixture
def mariadb() -> Iterator[Stage]:
    with on_mariadb() as stage:
        yield stage


@pytest.fixture(params=["postgres", "mariadb"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A server with the queue's tables, of each kind."""
    with {"postgres": on_postgres, "mariadb": on_mariadb}[request.param]() as made:
        yield made
