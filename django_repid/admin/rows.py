"""Jobs as the rows of a list, with no more than may be seen."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.contrib.admin.utils import quote
from django.http import HttpRequest

from django_repid import showing
from django_repid.admin.links import has, may, page_url
from django_repid.insight import calls
from django_repid.insight.jobs import Line

#: An id that was made, not chosen. It begins with the time, so its end tells jobs apart.
_MADE = re.compile(r"[0-9a-f]{32}")
_SHORT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line with what is shown of it. `pick`: the value of its checkbox."""

    line: Line
    call: str
    url: str
    pick: str
    short_id: str
    tries: str


def job_rows(request: HttpRequest, lines: Sequence[Line]) -> list[Row]:
    """Return rows of a list."""
    allowed = has(request, "view_payload")
    if not may(request, "view", "failure"):
        lines = [replace(line, error="") for line in lines]
    return [_row(request, line, allowed=allowed) for line in lines]


def _row(request: HttpRequest, line: Line, *, allowed: bool) -> Row:
    if line.bucket:
        url = page_url("bucket_change", quote(line.bucket), request=request)
    else:
        url = page_url("message_change", quote(line.id), request=request)
    made = line.tries + (line.state.value in ("running", "lost", "done"))
    return Row(
        line=line,
        call=call_of(line, allowed=allowed),
        url=url,
        pick=f"r:{line.bucket}" if line.bucket else f"j:{line.id}",
        short_id=short_id(line.id),
        tries=f"{made}/{line.retries + 1}" if made or line.retries else "",
    )


def call_of(line: Line, *, allowed: bool) -> str:
    """Return a job as a call, with its arguments where they may be seen and can be."""
    if line.payload is None or not allowed:
        empty = line.payload is None and line.args_id is None and not line.bucket
        return calls.short(line.topic, {} if empty and allowed else None)
    try:
        return calls.short(line.topic, showing.arguments(line.topic, line.payload))
    except showing.Unreadable:
        return calls.short(line.topic, None)


def short_id(id_: str) -> str:
    """Return the end of an id, which tells it from others; a chosen one as it is."""
    return f"…{id_[-_SHORT:]}" if _MADE.fullmatch(id_) else id_
