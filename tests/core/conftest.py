"""Fixtures of the tests of core."""

import pytest

from django_repid.core import host as hosts
from django_repid.core.connection import _ProcessDefault
from tests import stores


@pytest.fixture(autouse=True)
def _no_default_connection(monkeypatch):
    """No test sees the default connection that another has left behind."""
    monkeypatch.setattr(_ProcessDefault, "stack", [])


@pytest.fixture
def plain_host():
    """No framework: neither settings nor actors that others registered."""
    before = hosts.host()
    hosts.install(hosts.Host())
    yield hosts.host()
    hosts.install(before)


@pytest.fixture
def connection():
    return stores.connection(args=False)
