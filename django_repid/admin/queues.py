"""The pages of queues: how each stands, and what can be done about it."""

import time
from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_repid.admin.base import Page, back, reader_for, record, require
from django_repid.admin.links import Link, has, jobs_url, may, page_url
from django_repid.admin.overview import queue_rows
from django_repid.core.connection import Connection
from django_repid.core.errors import InvalidJob
from django_repid.core.names import check_queue_name
from django_repid.insight.queues import CAP, QueueState
from django_repid.insight.reader import Reader
from django_repid.insight.snapshot import Snapshot, look
from django_repid.models import Queue

_STEP = 500
#: For how long one request goes on clearing a queue, and how long it rests between two steps.
_CLEAR_SECONDS = 10.0
_REST_SECONDS = 0.02
_REASON = 255

_States = tuple[tuple[str, Any, Callable[[QueueState], int]], ...]
_STATES: _States = (
    ("waiting", gettext_lazy("due"), lambda queue: queue.due),
    ("later", gettext_lazy("later"), lambda queue: queue.later),
    ("running", gettext_lazy("running"), lambda queue: queue.running),
    ("failed", gettext_lazy("failed"), lambda queue: queue.failed),
)


@admin.register(Queue)
class QueueAdmin(Page):
    """Queues, and what can be done about them."""

    template = "queues.html"

    def pages(self) -> dict[str, tuple[str, Callable[..., HttpResponse]]]:
        """Return the page of a queue, and what its buttons lead to."""
        return {
            "pause": ("<path:object_id>/pause/", self.pause_view),
            "resume": ("<path:object_id>/resume/", self.resume_view),
            "clear": ("<path:object_id>/clear/", self.clear_view),
            "change": ("<path:object_id>/change/", self.queue_view),
        }

    def content(self, request: HttpRequest, reader: Reader, seen: Snapshot) -> dict[str, Any]:
        """Return the table of queues."""
        return {"rows": queue_rows(request, seen), "cap": CAP, "shows_queues": True}

    def queue_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show one queue."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        name = unquote(object_id)
        seen = look(reader_for(request))
        queue, steered = seen.queue(name), _is_name(name)
        jobs = may(request, "view", "message")
        return self.render(
            request,
            "queue.html",
            title=name,
            crumbs=[self._all(request)],
            seen=seen,
            queue=queue,
            object_id=quote(name),
            states=[
                (state, word, count(queue), jobs_url(request, queue=name, state=state))
                for state, word, count in _STATES
            ],
            jobs=jobs,
            workers=[one for one in seen.workers if one.info.serves(name)],
            may_pause=steered and has(request, "pause_queue"),
            may_clear=steered and has(request, "delete_message"),
            query=request.META.get("QUERY_STRING", ""),
            cap=CAP,
        )

    def pause_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Pause a queue."""
        name, connection = self._asked(request, object_id, "pause_queue")
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        reason = request.POST.get("reason", "").strip().replace("\0", "")[:_REASON]
        by = str(request.user)[:_REASON]
        connection.message_broker.pause(name, by=by, reason=reason)
        what = _("Paused: %s") % reason if reason else _("Paused.")
        record(request, Queue, name, name, what)
        text = _("Queue %s is paused. What runs goes on to its end.") % name
        messages.success(request, text)
        return back(request, self._page(request, name))

    def resume_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let workers claim from a queue again."""
        name, connection = self._asked(request, object_id, "pause_queue")
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        connection.message_broker.resume(name)
        record(request, Queue, name, name, _("Resumed."))
        messages.success(request, _("Queue %s goes on.") % name)
        return back(request, self._page(request, name))

    def clear_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Remove what waits in a queue or is dead, after it was said how much that is."""
        name, connection = self._asked(request, object_id, "delete_message")
        if request.method == "POST":
            self._clear(request, name, connection)
            return back(request, self._page(request, name))
        seen = look(reader_for(request))
        return self.render(
            request,
            "queue_clear.html",
            title=_("Clear the queue?"),
            crumbs=[self._all(request), Link(name, self._page(request, name))],
            seen=seen,
            queue=seen.queue(name),
            page=self._page(request, name),
            cap=CAP,
        )

    def _clear(self, request: HttpRequest, name: str, connection: Connection) -> None:
        middleware = connection.middleware
        middleware.emit("before_queue_flush", queue_name=name)
        end = time.monotonic() + _CLEAR_SECONDS
        count = step = connection.message_broker.flush(name, _STEP)
        while step == _STEP and time.monotonic() < end:
            time.sleep(_REST_SECONDS)
            step = connection.message_broker.flush(name, _STEP)
            count += step
        middleware.emit("after_queue_flush", queue_name=name, result=count)
        text = ngettext("%d job was removed.", "%d jobs were removed.", count) % count
        record(request, Queue, name, name, text)
        messages.success(request, text)
        if step == _STEP:
            messages.warning(request, _("There are more: clear the queue once more."))

    def _asked(
        self, request: HttpRequest, object_id: str, permission: str
    ) -> tuple[str, Connection]:
        """Return the queue and the connection that something is to be done with."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        require(request, permission)
        return _name(object_id), reader_for(request).connection

    def _all(self, request: HttpRequest) -> Link:
        return Link(_("Queues"), page_url("queue_changelist", request=request))

    @staticmethod
    def _page(request: HttpRequest, name: str) -> str:
        return page_url("queue_change", quote(name), request=request)


def _is_name(text: str) -> bool:
    """Whether a queue can have this name; who writes to the tables can write any."""
    try:
        check_queue_name(text)
    except InvalidJob:
        return False
    return True


def _name(object_id: str) -> str:
    """Return the name of a queue as an address holds it.

    Raises:
        Http404: no queue can have it.

    """
    name = unquote(object_id)
    if not _is_name(name):
        message = f"No queue is called {name!r}."
        raise Http404(message)
    return name
