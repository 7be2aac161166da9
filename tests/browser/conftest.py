"""Fixtures of the browser tests.

`shop` is the example project as `make demo` runs it, `project` the tests' own project, on the
tests' database; `worker` is a worker beside the latter. Both are a `Site`, which opens pages and
fails a test whose pages complained.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from tests.acceptance.kit import WorkerInProcess
from tests.acceptance.kit import worker as worker_in_process
from tests.browser import programs
from tests.browser.site import Site


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Have the browser.

    Playwright keeps an event loop running on the thread of the tests, where Django would refuse
    the ORM. In the servers and workers, which have processes of their own, its guards stay.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        with programs.chromium() as browser:
            yield browser


@pytest.fixture(scope="session")
def pictures(request: pytest.FixtureRequest) -> Path | None:
    folder = request.config.getoption("--pictures")
    return Path(folder).absolute() if folder else None


@pytest.fixture(scope="session")
def shop_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the example project keeps its files."""
    return tmp_path_factory.mktemp("shop")


@pytest.fixture(scope="session")
def shop_url(shop_folder: Path) -> Iterator[str]:
    with programs.demo(shop_folder) as url:
        yield url


@pytest.fixture(scope="session")
def project_url(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with programs.project(tmp_path_factory.mktemp("project")) as url:
        yield url


@pytest.fixture
def shop(shop_url: str, chromium: Any, pictures: Path | None) -> Iterator[Site]:
    yield from _site(shop_url, chromium, pictures)


@pytest.fixture
def project(
    transactional_db: None, project_url: str, chromium: Any, pictures: Path | None
) -> Iterator[Site]:
    yield from _site(project_url, chromium, pictures)


@pytest.fixture
def worker(project: Site) -> Iterator[WorkerInProcess]:
    with worker_in_process(**programs.GUARDED) as one:
        yield one


@pytest.fixture
def boss(transactional_db: None) -> User:
    """Somebody who may do everything in the admin."""
    return User.objects.create_superuser("boss", "boss@example.com", "boss")


def _site(url: str, chromium: Any, pictures: Path | None) -> Iterator[Site]:
    site = Site(url, chromium, pictures)
    try:
        yield site
    finally:
        site.close()
    assert site.complaints == []
