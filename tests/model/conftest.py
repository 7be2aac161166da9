"""Fixtures of the models."""

import pytest

from tests.model.stores import StillClock


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> StillClock:
    return StillClock(monkeypatch)
