"""Actor functions in a module whose annotations are text until somebody asks."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal


def born(day: date, times: int = 1) -> list[date]:
    return [day] * times


def hidden(price: Decimal) -> None:
    """Its annotation exists for type checkers only."""
