"""Connections around jobs."""

from typing import Any

import pytest
from django.db import connection, connections, transaction

from django_repid import ConfigurationError, scope
from django_repid.brokers.database.vendors import statements_for
from tests.shop.models import Order

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True)]


def test_a_block_that_was_never_left_does_not_reach_the_next_job() -> None:
    block = transaction.atomic()
    block.__enter__()
    Order.objects.create()

    scope.tidy()

    assert not connection.in_atomic_block
    assert not Order.objects.exists()


def test_a_worker_keeps_its_connections_unless_they_are_pooled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain: dict[str, Any] = {"CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": False, "OPTIONS": {}}
    pooled: dict[str, Any] = {"CONN_MAX_AGE": 0, "OPTIONS": {"pool": True}}
    monkeypatch.setattr(connections, "settings", {"a": plain, "b": pooled})

    scope.keep_connections()

    assert (plain["CONN_MAX_AGE"], plain["CONN_HEALTH_CHECKS"]) == (None, True)
    assert pooled["CONN_MAX_AGE"] == 0


def test_a_database_without_statements_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    real = connections["default"]
    monkeypatch.setattr(real, "vendor", "oracle")

    with pytest.raises(ConfigurationError, match="no statements for 'oracle'"):
        statements_for(real)
