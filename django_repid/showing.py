"""What pages show of a row: moments, texts and JSON, capped, escaped, and without secrets.

Nobody sees secrets, whatever their permissions: no page needs one.
"""

import json
from typing import Any

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from django_repid import discovery
from django_repid.core import clock
from django_repid.core.config import Config
from django_repid.core.errors import RepidError
from django_repid.core.redaction import ALL_SECRET, HIDDEN, NO_MARKS, Secrets, without_secrets
from django_repid.core.serializer import escaped
from django_repid.models import Bucket

#: Characters of a payload that a page shows.
_SHOWN = 20_000


def moment(name: str, label: Any) -> Any:
    """Make a column that shows a column of microseconds as local time."""

    @admin.display(description=label, ordering=name, empty_value="–")
    def show(_admin: Any, row: Any) -> Any:
        value = getattr(row, name)
        if value is None:
            return None
        try:
            return f"{localtime(clock.from_us(value)):%Y-%m-%d %H:%M:%S}"
        except (OverflowError, ValueError):  # the last hours of the year 9999, or worse
            return _("out of range")

    return show


def text(name: str, label: Any) -> Any:
    """Make a field that shows a text as it is, capped."""

    @admin.display(description=label, empty_value="–")
    def show(_: Any, row: Any) -> SafeString | None:
        return _block(getattr(row, name))

    return show


def plain_json(name: str, label: Any) -> Any:
    """Make a field that shows JSON whose secrets are known by their names: headers, and our own."""

    @admin.display(description=label, empty_value="–")
    def show(_: Any, row: Any) -> SafeString | None:
        return _json(getattr(row, name))

    return show


def arguments(name: str, label: Any) -> Any:
    """Make a field that shows the arguments of the actor that a row names, without secrets."""

    @admin.display(description=label, empty_value="–")
    def show(_: Any, row: Any) -> SafeString | None:
        return _json(getattr(row, name), _marks(row.topic))

    return show


def bucket(label: Any) -> Any:
    """Make a field that shows what a bucket holds: arguments, a result or an exception's text."""

    @admin.display(description=label, empty_value="–")
    def show(_: Any, row: Bucket) -> SafeString | str | None:
        if row.success is False:
            return _block(row.data)
        marks = _all_marks()
        if row.kind == Bucket.Kind.ARGUMENTS:
            return _json(row.data, marks)
        if marks is ALL_SECRET or _marks(row.topic).result:
            return HIDDEN
        # It may be the arguments of the next job in a chain.
        return _json(row.data, Secrets(marks.named), any_kind=True)

    return show


def _block(value: str | None) -> SafeString | None:
    """Return a text as HTML, capped; what no page can be encoded with is escaped."""
    if not value:
        return None
    if len(value) > _SHOWN:
        value = f"{value[:_SHOWN]}\n…"
    return format_html("<pre>{}</pre>", escaped(value))


def _json(
    value: str | None, marks: Secrets = NO_MARKS, *, any_kind: bool = False
) -> SafeString | None:
    """Return JSON as HTML, indented, without its secrets; of what is no JSON nothing.

    `any_kind`: not only an object. The value of another would have no name to be known by.
    """
    if not value:
        return None
    try:
        loaded = json.loads(value)
        if not any_kind and not isinstance(loaded, dict):
            raise ValueError  # noqa: TRY301 - one way out for all that cannot be shown
        return _block(_indented(without_secrets(loaded, Config.SECRET_ARGUMENTS, marks)))
    except (ValueError, RecursionError):
        return format_html("<em>{}</em>", _("It cannot be read, so nothing of it is shown."))


def _indented(value: Any) -> str:
    """Return JSON to be read, no more of it than is shown: deep in, each line begins far right."""
    parts: list[str] = []
    length = 0
    for part in json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(value):
        parts.append(part)
        length += len(part)
        if length > _SHOWN:
            break
    return "".join(parts)


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
