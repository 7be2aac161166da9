"""The page of schedules."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils.translation import gettext as _

from django_repid.admin.base import Page, back, reader_for, record, require
from django_repid.admin.links import Link, has, jobs_url, may, page_url
from django_repid.core.browsing import Message
from django_repid.core.connection import Connection
from django_repid.core.errors import LeaseLost
from django_repid.core.follow import cancel
from django_repid.core.message import MessageCategory, MessageState, StoredMessage
from django_repid.insight.reader import Reader
from django_repid.insight.schedules import LIMIT
from django_repid.insight.snapshot import Snapshot
from django_repid.insight.terms import can_be_id
from django_repid.models import Schedule


@admin.register(Schedule)
class ScheduleAdmin(Page):
    """Recurring jobs, in words."""

    template = "schedules.html"

    def pages(self) -> dict[str, tuple[str, Callable[..., HttpResponse]]]:
        """Return what the buttons lead to."""
        return {
            "run": ("<path:object_id>/run/", self.run_view),
            "stop": ("<path:object_id>/stop/", self.stop_view),
        }

    def content(self, request: HttpRequest, reader: Reader, seen: Snapshot) -> dict[str, Any]:
        """Return the recurring jobs, with how each ended the last time."""
        ids = {one.result_id for one in seen.schedules if one.result_id is not None}
        outcomes = reader.outcomes(ids)
        jobs = may(request, "view", "message")
        rows = [
            {
                "schedule": one,
                "id": quote(one.id),
                "missed": one.is_missed(seen.now),
                "last": outcomes.get(one.result_id or ""),
                "url": jobs_url(request, id=one.id) if jobs else "",
            }
            for one in seen.schedules
        ]
        return {
            "rows": rows,
            "limit": LIMIT if len(rows) == LIMIT else 0,
            "may_run": has(request, "retry_job"),
            "may_stop": has(request, "cancel_job"),
            "query": request.META.get("QUERY_STRING", ""),
        }

    def run_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let the next occurrence run now; those after it come as planned."""
        connection, found = self._asked(request, object_id, "retry_job")
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        text = _run_now(connection, found)
        if text:
            messages.warning(request, text)
        else:
            record(request, Schedule, found.key.id_, found.key.id_, _("Run now."))
            messages.success(
                request, _("The schedule %s runs as soon as a worker is free.") % found.key.id_
            )
        return back(request, page_url("schedule_changelist", request=request))

    def stop_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """End a recurring job, after it was said what that means."""
        connection, found = self._asked(request, object_id, "cancel_job")
        everything = page_url("schedule_changelist", request=request)
        if request.method == "POST":
            if cancel(connection, found.key.id_):
                record(request, Schedule, found.key.id_, found.key.id_, _("Stopped."))
                messages.success(request, _("The schedule %s comes no more.") % found.key.id_)
            else:
                messages.warning(
                    request, _("The schedule %s was not there any more.") % found.key.id_
                )
            return back(request, everything)
        return self.render(
            request,
            "schedule_stop.html",
            title=_("Stop the schedule?"),
            crumbs=[Link(_("Schedules"), everything)],
            found=found,
            declared=found.spec.again is not None and found.spec.again.declared,
            page=everything,
        )

    def _asked(
        self, request: HttpRequest, object_id: str, permission: str
    ) -> tuple[Connection, StoredMessage]:
        """Return the connection and the recurring job that something is to be done with."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        require(request, permission)
        connection, id_ = reader_for(request).connection, unquote(object_id)
        found = connection.message_broker.find([id_]) if can_be_id(id_) else []
        if not found or found[0].spec.again is None:
            message = f"There is no recurring job {id_!r}."
            raise Http404(message)
        return connection, found[0]


def _run_now(connection: Connection, found: StoredMessage) -> str:
    """Let a recurring job run now; return why that cannot be, or nothing."""
    id_ = found.key.id_
    if found.state is MessageState.RUNNING:
        return _("The schedule %s runs already.") % id_
    dead = found.state is MessageState.DEAD
    category = MessageCategory.DEAD if dead else MessageCategory.DELAYED
    try:
        Message(found, category, connection).reschedule_sync()
    except LeaseLost:
        return _("The schedule %s has just been claimed by a worker.") % id_
    return ""
