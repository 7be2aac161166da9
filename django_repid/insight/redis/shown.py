"""Messages by their keys, as a script would show them."""

from collections.abc import Callable, Sequence
from typing import Any

from django_repid.brokers.redis import wire
from django_repid.core.message import StoredMessage

#: The fields of a message, and what stands for one that is not there: see `common.lua`.
_FIELDS = (
    ("l", b"0"), ("s", b"0"), ("r", b"0"), ("d", b"0"), ("k", b"-"), ("e", b"0"), ("c", b"-"),
    ("w", b"-"), ("t", b"0"), ("x", b"0"), ("u", b"0"), ("a", b"0"), ("f", b"-"),
)  # fmt: skip


def stored_messages(
    ask: Callable[..., list[Any]], key: Callable[[str], str], pks: Sequence[bytes]
) -> list[StoredMessage]:
    """Return those that are still there; one that this version cannot read is left out."""
    names = [name for name, _ in _FIELDS]
    asked = (("HMGET", key(f"m:{pk.decode()}"), *names, "y", "b") for pk in pks)
    found = []
    for pk, (*values, reason, body) in zip(pks, ask(*asked), strict=True):
        if body is None:
            continue
        numbers = [
            default if value is None else value
            for value, (_, default) in zip(values, _FIELDS, strict=True)
        ]
        try:
            text = b" ".join([pk, *numbers]) + b"\n" + (reason or b"") + b"\n" + body
            found.append(wire.message(text))
        except Exception:  # noqa: BLE001, S112 - a newer worker's, or broken: workers tell of it
            continue
    return found
