"""What every page shares: its frame, the choice of a connection, permissions, the log."""

import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any

import django
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_repid.admin.findings import judged
from django_repid.admin.links import APP, ON, Link, has, may, overview_url, page_url
from django_repid.core.errors import BrokerUnavailable
from django_repid.core.serializer import printable
from django_repid.insight.reader import Reader, readers
from django_repid.insight.snapshot import Snapshot, look

logger = logging.getLogger("django_repid")

#: The pages, in the order of the tabs: a model's name, and what its tab says.
_TABS = (
    ("message", gettext_lazy("Jobs")),
    ("queue", gettext_lazy("Queues")),
    ("workerprocess", gettext_lazy("Workers")),
    ("schedule", gettext_lazy("Schedules")),
    ("bucket", gettext_lazy("Results")),
)


def require(request: HttpRequest, *codenames: str) -> None:
    """Refuse somebody who lacks one of these permissions of ours.

    Raises:
        PermissionDenied: one is lacking.

    """
    if not all(has(request, codename) for codename in codenames):
        raise PermissionDenied


def reader_for(request: HttpRequest) -> Reader:
    """Return the reader of the connection that a page is for.

    Raises:
        Http404: there is no such connection, or none whose store can be looked into.

    """
    known = readers()
    alias = request.GET.get(ON) or next(iter(known), "")
    if alias not in known:
        message = f"No store of the connection {alias!r} can be looked into."
        raise Http404(message)
    return known[alias]


def context(
    request: HttpRequest,
    *,
    title: str,
    current: str,
    crumbs: Sequence[Link] = (),
    seen: Snapshot | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return what `base_page.html` needs, and `more`.

    `current`: the model's name of the tab; empty for the overview. `crumbs`: what lies between the
    app and the page. `seen`: a look at the store, where the page has taken one.
    """
    seen = seen or look(reader_for(request))
    verdict = {"repid_verdict": judged(request, seen), "now": seen.now, "seen": seen}
    return {**_frame(request, title, current, crumbs), **verdict, **more}


def unreachable(request: HttpRequest, current: str, error: BrokerUnavailable) -> dict[str, Any]:
    """Return the context of `unreachable.html`: the frame alone, for a store that is not there."""
    logger.warning("A page of the admin could not be shown: %s", printable(str(error)))
    alias = reader_for(request).alias
    title = _("The store cannot be reached")
    return {**_frame(request, title, current, ()), "alias": alias}


def _frame(
    request: HttpRequest, title: str, current: str, crumbs: Sequence[Link]
) -> dict[str, Any]:
    known, reader = readers(), reader_for(request)
    home = Link(_("Background jobs"), overview_url(request))
    here = [Link(title)] if title != home.text else []
    return {
        "title": title,
        "repid_tabs": _tabs(request, current),
        "repid_crumbs": [*([home, *crumbs] if here else []), *(here or [Link(home.text)])],
        "repid_listed_crumbs": django.VERSION >= (6, 1),
        "repid_switch": _switch(request, known, reader) if len(known) > 1 else (),
    }


def _tabs(request: HttpRequest, current: str) -> list[Link]:
    tabs = [Link(_("Overview"), overview_url(request), not current)]
    for name, label in _TABS:
        if not may(request, "view", name):
            continue
        try:
            url = page_url(f"{name}_changelist", request=request)
        except NoReverseMatch:  # a project may have taken a page away
            continue
        tabs.append(Link(str(label), url, name == current))
    return tabs


def _switch(request: HttpRequest, known: dict[str, Reader], reader: Reader) -> list[Link]:
    """Return links to this page for each connection."""
    links = []
    for alias in known:
        query = request.GET.copy()
        query[ON] = alias
        links.append(Link(alias, f"?{query.urlencode()}", alias == reader.alias))
    return links


def record(request: HttpRequest, model: type[Model], id_: str, shown: str, what: str) -> None:
    """Write down in the admin's log who did what. `shown`: what names the object to people."""
    user: Any = request.user
    LogEntry.objects.create(
        user_id=user.pk,
        content_type=ContentType.objects.get_for_model(model, for_concrete_model=False),
        object_id=id_,
        object_repr=shown[:200],
        action_flag=CHANGE,
        change_message=what,
    )


def back(request: HttpRequest, fallback: str) -> HttpResponse:
    """Lead to the page that a form says it stands on, if that is one of ours."""
    wanted = request.POST.get("next", "")
    ours = reverse("admin:app_list", args=[APP])
    return HttpResponseRedirect(wanted if wanted.startswith(ours) else fallback)


class Page(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Pages of our own that stand where Django's lists of a model would.

    Whoever may view the model may see them; its rows are neither added, changed nor deleted here.
    """

    #: The template of the first page.
    template = ""

    def pages(self) -> dict[str, tuple[str, Callable[..., HttpResponse]]]:
        """Return the further pages: the name of a URL, its pattern and its view."""
        return {}

    def get_urls(self) -> list[URLPattern]:
        """Return our pages alone."""
        name = self.opts.model_name

        def wrap(view: Callable[..., HttpResponse]) -> Any:
            return self.admin_site.admin_view(self._reached(view))

        first = path("", wrap(self.changelist_view), name=f"{APP}_{name}_changelist")
        return [
            first,
            *(
                path(pattern, wrap(view), name=f"{APP}_{name}_{page}")
                for page, (pattern, view) in self.pages().items()
            ),
        ]

    def _reached(self, view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        """Say it in words where the store cannot be reached."""

        @functools.wraps(view)
        def reached(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                return view(request, *args, **kwargs)
            except BrokerUnavailable as error:
                ours = unreachable(request, str(self.opts.model_name), error)
                everywhere = self.admin_site.each_context(request)
                template = f"admin/{APP}/unreachable.html"
                return TemplateResponse(request, template, {**everywhere, **ours}, status=503)

        return reached

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the first page."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        title = str(self.opts.verbose_name_plural).capitalize()
        reader = reader_for(request)
        seen = look(reader)
        more = self.content(request, reader, seen)
        return self.render(request, self.template, title=title, seen=seen, **more)

    def content(self, request: HttpRequest, reader: Reader, seen: Snapshot) -> dict[str, Any]:
        """Return what the first page shows, besides the frame."""
        return {}

    def render(self, request: HttpRequest, template: str, **more: Any) -> HttpResponse:
        """Show a page in the frame; see `context`."""
        current = str(self.opts.model_name)
        ours = context(request, **{"current": current, **more})
        request.current_app = self.admin_site.name
        everywhere = self.admin_site.each_context(request)
        return TemplateResponse(
            request,
            f"admin/{APP}/{template}",
            {**everywhere, "opts": self.opts, "app_label": APP, **ours},
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nothing is added by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nothing is changed by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nothing is deleted by hand."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether somebody may look: as Django has it, who may change may view."""
        return may(request, "view", str(self.opts.model_name))
