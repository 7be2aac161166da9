"""Values to JSON text."""

import dataclasses
import json
import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Protocol
from uuid import UUID


class SerializerT(Protocol):
    """A function from a value to JSON text. Whatever it raises refuses the value."""

    def __call__(self, data: Any) -> str:
        """Return `data` as JSON text."""


def default_serializer(data: Any) -> str:
    """Return `data` as ASCII JSON text.

    Beside JSON's own types it takes dataclasses, pydantic models, dates and times (ISO 8601),
    timedeltas (seconds), Decimal and UUID (text), enums (their value) and sets (a list).

    Raises:
        TypeError: something in it has no form in JSON; bytes are refused on purpose.
        ValueError: NaN or an infinity, or a value that contains itself.

    """
    return _ENCODER.encode(data)


def _plain(value: Any) -> Any:
    """Turn what JSON does not know into what it knows, one level at a time."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    for kinds, turn in _TURNS:
        if isinstance(value, kinds):
            return turn(value)
    if callable(dump := getattr(value, "model_dump", None)):  # pydantic, without importing it
        return dump(mode="json")
    if isinstance(value, bytes | bytearray | memoryview):
        message = "bytes have no form in JSON: pass text, for instance base64.b64encode(…).decode()"
        raise TypeError(message)
    # Without its repr: it may be a secret, and this text is kept and logged.
    message = f"{type(value).__name__} has no form in JSON"
    raise TypeError(message)


def _finite(value: Decimal) -> str:
    if not value.is_finite():
        message = f"{value} has no form in JSON"
        raise ValueError(message)
    return str(value)


_TURNS: tuple[tuple[Any, Any], ...] = (
    ((datetime, date, time), lambda value: value.isoformat()),
    (timedelta, timedelta.total_seconds),
    (Decimal, _finite),
    (UUID, str),
    (Enum, lambda value: value.value),
    ((set, frozenset), list),
    (Mapping, dict),
)

_ENCODER = json.JSONEncoder(
    ensure_ascii=True, allow_nan=False, separators=(",", ":"), default=_plain
)

# One escape of JSON text; escaped backslashes are taken whole, so that what follows one is none.
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)
_SUSPICIOUS = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_SURROGATE = re.compile("[\ud800-\udfff]")
_FIRST_HALVES, _SECOND_HALVES = range(0xD800, 0xDC00), range(0xDC00, 0xE000)

_NUL, _LONE = "a NUL character", "a lone surrogate"


def unstorable(text: str) -> str | None:
    """Return what in `text` some database would refuse (a NUL, a lone surrogate), or None.

    PostgreSQL takes no NUL in text; none of the databases takes a lone surrogate. It is looked
    for in raw form and in JSON's escapes, which the actor would decode again.
    """
    if "\x00" in text:
        return _NUL
    if not text.isascii() and _SURROGATE.search(text):
        return _LONE
    return _unstorable_escape(text) if _SUSPICIOUS.search(text) else None


def _unstorable_escape(text: str) -> str | None:
    second_half_at = -1  # where the second half of a pair must begin; -1: nowhere
    for escape in _ESCAPE.finditer(text):
        unit = int(escape[1], 16) if escape[1] else -1
        if unit == 0:
            return _NUL
        due = second_half_at == escape.start()
        if (unit in _SECOND_HALVES) != due or (second_half_at >= 0 and not due):
            return _LONE
        second_half_at = escape.end() if unit in _FIRST_HALVES else -1
    return _LONE if second_half_at >= 0 else None


def printable(value: object) -> str:
    """Return what `value` says, in one line, with escapes for what a terminal would obey.

    For logs: a newline in the text of an exception would begin a line that nobody wrote. Whatever
    it is given it takes: SQLite keeps bytes in columns of text, and whoever logs must not fail.
    """
    text = str(value)
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def escaped(text: str) -> str:
    """Return `text` so that every database takes it: NUL and lone surrogates as escapes."""
    if "\x00" in text:
        text = text.replace("\x00", "\\x00")
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
