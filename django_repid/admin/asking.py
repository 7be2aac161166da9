"""What somebody asks a list of jobs for: the line of search, read and checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpRequest
from django.utils.timezone import get_current_timezone
from django.utils.translation import gettext as _

from django_repid.admin.links import has, may, page_url
from django_repid.insight.jobs import Question
from django_repid.insight.search import Search, moment, read
from django_repid.insight.state import JobState


@dataclass(frozen=True, slots=True)
class Chip:
    """A term of a search, and the address of the list without it."""

    text: str
    without: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A search as it was understood. `problems`: in words, what was not."""

    text: str
    question: Question
    problems: Sequence[str] = ()

    @property
    def search(self) -> Search:
        """The search itself."""
        return self.question.search

    def chips(self, request: HttpRequest) -> list[Chip]:
        """Return its terms but for the state, which the tabs show."""
        return [
            Chip(text, list_url(request, self.search.without(name)))
            for name, text in self.search.terms()
            if name != "state"
        ]


def asked(request: HttpRequest, given: Mapping[str, Any], now: int) -> Asked:
    """Read a search out of a form or an address."""
    text = str(given.get("q", "")).replace("\0", " ").strip()  # which no text in a store holds
    found = read(text)
    problems = list(found.problems)
    search = found.search
    allowed = has(request, "view_payload")
    if search.args and not allowed:
        problems.append(_("You may not see arguments, so you cannot search them."))
        search = replace(search, args=())
    if search.error and not may(request, "view", "failure"):
        problems.append(_("You may not see failures, so you cannot search them."))
        search = replace(search, error="")
    if any(not one.value for one in search.args):
        problems.append(_("An argument needs a value: args.order_id=90003."))
        search = replace(search, args=tuple(one for one in search.args if one.value))
    zone = get_current_timezone()
    since, until = (moment(one, now, zone) if one else None for one in (search.since, search.until))
    if since is not None and until is not None and since > until:
        problems.append(_("since: is later than until:, so nothing can be found."))
    question = Question(
        search=search, state=search.state, since=since, until=until, args_allowed=allowed
    )
    return Asked(text, question, tuple(problems))


def list_url(request: HttpRequest, search: Search, **more: str) -> str:
    """Return the address of the list that a search finds."""
    if search.text:
        more["q"] = search.text
    return page_url("message_changelist", request=request, **more)


def in_state(search: Search, state: JobState | None) -> Search:
    """Return a search among the jobs of one state."""
    return replace(search, state=state)
