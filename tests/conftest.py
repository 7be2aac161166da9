"""Which tests run: harsh ones and those with a browser only where they are asked for.

`pytest -m harsh` or REPID_HARSH=1 asks for the former, and `make harsh` does; `pytest -m browser`
and `make browser` for the latter. Otherwise they are not selected, which is not the same as
skipped: nothing pretends that they have run.
"""

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests import stores

# How long an example takes is no property of the code: a machine may be busy at any moment.
settings.register_profile("patient", parent=settings(), deadline=None)
settings.load_profile("patient")


# Under nohup it is ignored, which the processes that tests start would inherit.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_addoption(parser: pytest.Parser) -> None:
    # Here and not beside the tests that use it: options are known before those are collected.
    parser.addoption("--pictures", metavar="DIR", help="where browser tests leave pictures")


@pytest.fixture(params=stores.STORES)
def each_store(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a test once per store."""
    with stores.use(request.param):
        yield request.param


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    asked_for = {name for name in ("harsh", "browser") if name in config.option.markexpr}
    if os.environ.get("REPID_HARSH"):
        asked_for.add("harsh")
    unasked = {"harsh", "browser"} - asked_for
    left_out = [item for item in items if any(map(item.get_closest_marker, unasked))]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
