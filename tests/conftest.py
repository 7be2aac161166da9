"""Which tests run: harsh ones only where they are asked for.

`pytest -m harsh` or REPID_HARSH=1 asks for them, and `make harsh` does. Otherwise they are not
selected, which is not the same as skipped: nothing pretends that they have run.
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


@pytest.fixture(params=stores.STORES)
def each_store(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a test once per store."""
    back = stores.use(request.param)
    yield request.param
    back()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("REPID_HARSH") or "harsh" in config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("harsh")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("harsh")]
