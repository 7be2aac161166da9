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
    message = f"{type(value).__name__} has no form in JSON: {value!r:.100}"
    raise TypeError(message)


_TURNS: tuple[tuple[Any, Any], ...] = (
    ((datetime, date, time), lambda value: value.isoformat()),
    (timedelta, timedelta.total_seconds),
    ((Decimal, UUID), str),
    (Enum, lambda value: value.value),
    ((set, frozenset), list),
    (Mapping, dict),
)

_ENCODER = json.JSONEncoder(
    ensure_ascii=True, allow_nan=False, separators=(",", ":"), default=_plain
)

# \u0000, or a surrogate without its other half, in the escaped form that JSON text has. An even
# number of backslashes before it means that the backslash itself is escaped.
_UNSTORABLE = re.compile(
    r"(?<!\\)(?:\\\\)*"
    r"(\\u0000"
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    r"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2})"
)

_SURROGATE = re.compile("[\ud800-\udfff]")


def unstorable(text: str) -> str | None:
    """Return what in `text` some database would refuse (a NUL, a lone surrogate), or None.

    PostgreSQL takes no NUL in text; none of the databases takes a lone surrogate. It is looked
    for in raw form and in JSON's escapes, which the actor would decode again.
    """
    if "\x00" in text:
        return "a NUL character"
    if not text.isascii() and _SURROGATE.search(text):
        return "a lone surrogate"
    if "\\u" in text and (found := _UNSTORABLE.search(text)):
        return "a NUL character" if found[1] == "\\u0000" else "a lone surrogate"
    return None


def escaped(text: str) -> str:
    """Return `text` so that every database takes it: NUL and lone surrogates as escapes."""
    if "\x00" in text:
        text = text.replace("\x00", "\\x00")
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
