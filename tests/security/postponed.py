"""Signatures whose annotations are text until somebody evaluates them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from django_repid import Secret

if TYPE_CHECKING:
    from decimal import Decimal

Pin = Annotated[str, Secret]


def named(user: str, pin: Pin) -> None: ...


def beside_a_hidden_one(pin: Pin, price: Decimal, code: Annotated[Decimal, Secret]) -> None: ...
