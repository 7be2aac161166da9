"""Stored texts as people may see them: decoded, without their secrets.

Nobody sees secrets, whatever their permissions: no page needs one. So everything that shows or
searches what jobs carry goes through here.
"""

import json
from collections.abc import Mapping
from typing import Any

from django_repid import discovery
from django_repid.core.config import Config
from django_repid.core.errors import RepidError
from django_repid.core.redaction import ALL_SECRET, HIDDEN, NO_MARKS, Secrets, without_secrets
from django_repid.core.serializer import escaped

#: Characters of a text that a page shows.
SHOWN = 20_000
#: Characters of JSON that fit in one line.
_ONE_LINE = 72


class Unreadable(ValueError):
    """A stored text is not what it should be, so nothing of it is shown."""


def arguments(topic: str | None, text: str | None) -> dict[str, Any]:
    """Return the arguments of an actor that a message carries.

    Raises:
        Unreadable: they are no JSON object.

    """
    found: dict[str, Any] = _opened(text, _marks(topic))
    return found


def hidden(topic: str | None, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments of an actor, already decoded, without their secrets."""
    found: dict[str, Any] = without_secrets(values, Config.SECRET_ARGUMENTS, _marks(topic))
    return found


def bucket_arguments(text: str | None) -> dict[str, Any]:
    """Return what a bucket of arguments holds: it does not say which actor they are for.

    Raises:
        Unreadable: they are no JSON object.

    """
    found: dict[str, Any] = _opened(text, _all_marks())
    return found


def result(topic: str | None, text: str | None) -> Any:
    """Return what an actor has returned; it may be the arguments of the next job in a chain.

    Raises:
        Unreadable: it is no JSON.

    """
    marks = _all_marks()
    if marks is ALL_SECRET or _marks(topic).result:
        return HIDDEN
    return _opened(text, Secrets(marks.named), any_kind=True)


def plain(text: str | None) -> dict[str, Any]:
    """Return JSON of our own, or headers, whose secrets are known by their names.

    Raises:
        Unreadable: it is no JSON object.

    """
    found: dict[str, Any] = _opened(text, NO_MARKS)
    return found


def block(text: str | None, limit: int = SHOWN) -> str:
    """Return a text capped; what no page can be encoded with is escaped."""
    text = text or ""
    if len(text) > limit:
        text = f"{text[:limit]}\n…"
    return escaped(text)


def indented(value: Any, limit: int = SHOWN) -> str:
    """Return JSON to be read: what is short in one line, of the rest no more than is shown."""
    text = _encoded(value, _ONE_LINE, indent=None)
    return block(text if len(text) <= _ONE_LINE else _encoded(value, limit, indent=2), limit)


def _encoded(value: Any, limit: int, *, indent: int | None) -> str:
    """Return at least so much of it: deep in, each line begins far right."""
    parts: list[str] = []
    length = 0
    try:
        for part in json.JSONEncoder(indent=indent, ensure_ascii=False).iterencode(value):
            parts.append(part)
            length += len(part)
            if length > limit:
                break
    except RecursionError:
        parts.append("…")
    return "".join(parts)


def _opened(text: str | None, marks: Secrets, *, any_kind: bool = False) -> Any:
    """Return JSON without its secrets. `any_kind`: not only an object.

    The value of another would have no name to be known by.
    """
    if not text:
        return {}
    try:
        loaded = json.loads(text)
        if any_kind or isinstance(loaded, Mapping):
            return without_secrets(loaded, Config.SECRET_ARGUMENTS, marks)
    except (ValueError, RecursionError):
        pass
    raise Unreadable


def _marks(topic: str | None) -> Secrets:
    """Return which arguments of an actor are marked; none of one that this process lacks."""
    try:
        actor = None if topic is None else discovery.find_actor(topic)
    except RepidError:  # the tasks modules do not import, so who knows
        return ALL_SECRET
    return NO_MARKS if actor is None else actor.secrets


def _all_marks() -> Secrets:
    """Return which arguments are secret to any actor: a bucket does not say whose it is."""
    try:
        return Secrets.together(actor.secrets for actor in discovery.router().actors.values())
    except RepidError:  # as above
        return ALL_SECRET
