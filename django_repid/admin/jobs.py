"""The list of jobs, and what its buttons lead to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.utils.translation import gettext as _

from django_repid.admin import actions, verbs
from django_repid.admin.asking import Asked, asked, in_state, list_url
from django_repid.admin.base import Page, reader_for
from django_repid.admin.job import job_content
from django_repid.admin.links import Link, page_url
from django_repid.admin.rows import job_rows
from django_repid.insight.jobs import CAP, Count, JobPage
from django_repid.insight.reader import Reader
from django_repid.insight.snapshot import Snapshot, look
from django_repid.insight.state import JobState
from django_repid.models import Message

_LIMIT = 50
_TABS = (
    JobState.WAITING,
    JobState.LATER,
    JobState.RUNNING,
    JobState.RETRYING,
    JobState.FAILED,
    JobState.LOST,
    JobState.DONE,
    JobState.CANCELLED,
)


@dataclass(frozen=True, slots=True)
class Tab:
    """A state, and the list of its jobs. `count` None: unknown, or of all states."""

    state: JobState | None
    url: str
    current: bool
    count: Count | None = None


@admin.register(Message)
class MessageAdmin(Page):
    """Jobs: those that wait, run or are dead, and the results that others have left."""

    template = "jobs.html"

    def pages(self) -> dict[str, tuple[str, Callable[..., HttpResponse]]]:
        """Return the page of a job, and what the buttons lead to."""
        return {
            "act": ("act/", self.act_view),
            "change": ("<path:object_id>/change/", self.job_view),
        }

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list; an id that is typed whole opens its job."""
        if self.has_view_permission(request) and "q" in request.GET:
            reader = reader_for(request)
            found = asked(request, request.GET, reader.now_us())
            if url := _by_id(request, reader, found):
                return HttpResponseRedirect(url)
        return super().changelist_view(request, extra_context)

    def content(self, request: HttpRequest, reader: Reader, seen: Snapshot) -> dict[str, Any]:
        """Return the list."""
        found = asked(request, request.GET, seen.now)
        question = found.question
        # Half a search would show jobs that were not asked for, beside buttons to steer them.
        page = JobPage()
        if not found.problems:
            page = reader.job_page(question, after=request.GET.get("after", ""), limit=_LIMIT)
        counts = {} if _is_by_content(found) else reader.counts(question)
        more = {"after": page.after}
        return {
            "asked": found,
            "chips": found.chips(request),
            "tabs": _tabs(request, found, counts),
            "rows": job_rows(request, page.lines),
            "page": page,
            "cap": CAP,
            "count": _count(counts, found, len(page.lines), complete=not page.after),
            "next_url": list_url(request, found.search, **more) if page.after else "",
            "first_url": list_url(request, found.search) if request.GET.get("after") else "",
            "actions": verbs.offered(request, question.state),
            "act_url": page_url("message_act", request=request),
            "every_url": list_url(request, in_state(found.search, None)),
        }

    def job_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show one job."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        reader = reader_for(request)
        id_ = unquote(object_id)
        job = reader.job(id_)
        crumb = Link(_("Jobs"), page_url("message_changelist", request=request))
        if job is None:
            text = _("There is no job %s: it has ended, and its result is gone or was not kept.")
            messages.warning(request, text % id_[:128])
            return HttpResponseRedirect(crumb.url)
        seen = look(reader)
        content = job_content(request, reader, seen, job)
        return self.render(request, "job.html", crumbs=[crumb], seen=seen, **content)

    def act_view(self, request: HttpRequest) -> HttpResponse:
        """Ask whether something is to be done with jobs, and do it."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        return actions.act(self, request, reader_for(request))


def _by_id(request: HttpRequest, reader: Reader, found: Asked) -> str:
    """Return the address of the job whose id was typed, and nothing else."""
    search = found.search
    wanted = search.id or (search.words[0] if len(search.words) == 1 else "")
    if found.problems or not wanted or len(search.terms()) != 1:
        return ""
    if (job := reader.job(wanted)) is not None:
        if job.standing is None and job.ended is not None:
            return page_url("bucket_change", quote(job.ended.bucket_id), request=request)
        return page_url("message_change", quote(wanted), request=request)
    if reader.ended(wanted) is not None:
        return page_url("bucket_change", quote(wanted), request=request)
    return ""


def _is_by_content(found: Asked) -> bool:
    return found.search.by_content or bool(found.search.id)


def _tabs(request: HttpRequest, found: Asked, counts: Mapping[JobState, Count]) -> list[Tab]:
    current = found.question.state
    tabs = [Tab(None, list_url(request, in_state(found.search, None)), current is None)]
    for state in _TABS:
        url = list_url(request, in_state(found.search, state))
        tabs.append(Tab(state, url, state is current, counts.get(state)))
    return tabs


def _count(
    counts: Mapping[JobState, Count], found: Asked, lines: int, *, complete: bool
) -> Count | None:
    """Return how many jobs are in the list, where that is known."""
    state = found.question.state
    if state is not None and state in counts:
        return counts[state]
    return Count(lines) if complete else None
