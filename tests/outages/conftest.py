"""Outages are asked for: `pytest -m outage`, or REPID_OUTAGES=1. Else they are not selected."""

import os
from collections.abc import Iterator

import pytest

from tests.outages.kit import Stage, on_mariadb, on_postgres


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("REPID_OUTAGES") or "outage" in config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("outage")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


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
