"""The verdict as pages show it: what somebody may know of it, with the ways to mend it."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.admin.utils import quote
from django.http import HttpRequest
from django.utils.translation import gettext as _

from django_repid.admin.links import Link, jobs_url, may, page_url
from django_repid.insight.snapshot import Snapshot
from django_repid.insight.verdict import Finding, Level, all_is_well, verdict

#: What one must be allowed to look at to be told.
_NEEDS = {
    "workers": "workerprocess",
    "queues": "queue",
    "failures": "failure",
    "schedules": "schedule",
}
#: Findings that are not folded.
_MOST = 6
_GLYPHS = {Level.BROKEN: "broken", Level.WARNING: "warning", Level.INFO: "info"}


@dataclass(frozen=True, slots=True)
class Shown:
    """A finding, its glyph, and where to go."""

    finding: Finding
    glyph: str
    links: Sequence[Link]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said on top of a page. `well`: the line that says that nothing was found.

    `more`: what is folded, so that the page itself can be seen.
    """

    shown: Sequence[Shown]
    more: Sequence[Shown]
    well: str


def judged(request: HttpRequest, seen: Snapshot) -> Verdict:
    """Return the verdict on a snapshot, as far as it is anything to who asks."""
    found = verdict(seen)
    mine = [one for one in found if may(request, "view", _NEEDS[one.about])]
    shown = [Shown(one, _GLYPHS[one.level], _links(request, one)) for one in mine]
    knows_all = all(may(request, "view", model) for model in _NEEDS.values())
    well = knows_all and not any(one.level for one in found)
    return Verdict(shown[:_MOST], shown[_MOST:], all_is_well(seen) if well else "")


def _links(request: HttpRequest, finding: Finding) -> list[Link]:
    if finding.about == "workers":
        return [Link(_("Workers"), page_url("workerprocess_changelist", request=request))]
    if finding.about == "queues":
        url = page_url("queue_change", quote(finding.queue), request=request)
        return [Link(_("Queue"), url)]
    if finding.about == "schedules":
        return [Link(_("Schedules"), page_url("schedule_changelist", request=request))]
    if not may(request, "view", "message"):
        return []
    terms = {"state": "failed", "actor": finding.actor, "error": finding.exception}
    return [Link(_("Jobs"), jobs_url(request, **terms))]
