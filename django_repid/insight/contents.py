"""Whether a job's arguments are those that are looked for. A secret is never found."""

import re
from collections.abc import Sequence
from typing import Any

from django_repid import showing
from django_repid.core.redaction import HIDDEN
from django_repid.insight.search import Argument

_VERBATIM = re.compile(r"[A-Za-z0-9_-]+")
_MISSING = object()


def matches(topic: str, payload: str | None, wanted: Sequence[Argument]) -> bool:
    """Whether a payload holds all these values where they are looked for."""
    try:
        found = showing.arguments(topic, payload)
    except showing.Unreadable:
        return False
    return all(_is(_at(found, one.path), one.value) for one in wanted)


def sieve(value: str) -> str:
    """Return a part of a value that stands as it is in any JSON that holds it; or nothing."""
    return max(_VERBATIM.findall(value), key=len, default="")


def _at(found: Any, path: str) -> Any:
    """Return what stands under a path; a name may hold dots itself."""
    if isinstance(found, dict):
        if path in found:
            return found[path]
        names = [name for name in found if path.startswith(f"{name}.")]
        name = max(names, key=len, default=None)
        return _MISSING if name is None else _at(found[name], path[len(name) + 1 :])
    place, _dot, rest = path.partition(".")
    if isinstance(found, list) and place.isdecimal() and int(place) < len(found):
        return _at(found[int(place)], rest) if rest else found[int(place)]
    return _MISSING


def _is(found: Any, value: str) -> bool:
    if found is _MISSING or found == HIDDEN:
        return False
    if isinstance(found, str):
        return found == value
    if isinstance(found, bool) or found is None:
        return value.lower() == {True: "true", False: "false", None: "null"}[found]
    return isinstance(found, int | float) and str(found) == value
