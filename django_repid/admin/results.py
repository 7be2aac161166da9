"""The list of buckets, and the page of a job by its result."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _

from django_repid.admin.base import Page, reader_for
from django_repid.admin.job import job_content
from django_repid.admin.links import Link, may, page_url
from django_repid.insight.jobs import CAP, BucketLine
from django_repid.insight.reader import Reader
from django_repid.insight.snapshot import Snapshot, look
from django_repid.models import Bucket


@admin.register(Bucket)
class BucketAdmin(Page):
    """Results and stored arguments."""

    template = "results.html"

    def pages(self) -> dict[str, tuple[str, Callable[..., HttpResponse]]]:
        """Return the page of a bucket."""
        return {"change": ("<path:object_id>/change/", self.bucket_view)}

    def content(self, request: HttpRequest, reader: Reader, seen: Snapshot) -> dict[str, Any]:
        """Return the list."""
        word = request.GET.get("q", "").strip()[:128]
        page = reader.bucket_page(word, after=request.GET.get("after", ""))
        query = {"q": word} if word else {}
        name = "bucket_changelist"
        return {
            "word": word,
            "page": page,
            "cap": CAP,
            "rows": [(line, *_urls(request, line)) for line in page.lines],
            "next_url": page_url(name, request=request, **query, after=page.after)
            if page.after
            else "",
            "list_url": page_url(name, request=request),
        }

    def bucket_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show a job by its result, or stored arguments."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        reader, id_ = reader_for(request), unquote(object_id)
        job = reader.ended(id_)
        crumb = Link(_("Results"), page_url("bucket_changelist", request=request))
        if job is None:
            text = _("There is no bucket %s: it has expired or was deleted.") % id_[:128]
            messages.warning(request, text)
            return HttpResponseRedirect(crumb.url)
        seen = look(reader)
        content = job_content(request, reader, seen, job)
        return self.render(request, "job.html", crumbs=[crumb], seen=seen, **content)


def _urls(request: HttpRequest, line: BucketLine) -> tuple[str, str]:
    """Return the addresses of a bucket and of its job."""
    url = page_url("bucket_change", quote(line.id), request=request)
    shows_job = line.job and may(request, "view", "message")
    return url, page_url("message_change", quote(line.job), request=request) if shows_job else ""
