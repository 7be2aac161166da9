"""The addresses of our pages, and who may open them."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

APP = "django_repid"
#: The query parameter that chooses a connection, where there are several.
ON = "on"


@dataclass(frozen=True, slots=True)
class Link:
    """A link. A breadcrumb without a `url` is the page itself."""

    text: str
    url: str = ""
    current: bool = False


def has(request: HttpRequest, codename: str) -> bool:
    """Whether somebody has a permission of ours."""
    user: Any = request.user
    return bool(user.has_perm(f"{APP}.{codename}"))


def may(request: HttpRequest, action: str, model: str) -> bool:
    """Whether somebody may look at a model of ours, or do more with it.

    As Django has it, who may change may view.
    """
    if has(request, f"{action}_{model}"):
        return True
    return action == "view" and has(request, f"change_{model}")


def page_url(name: str, *args: str, request: HttpRequest | None = None, **query: str) -> str:
    """Return the address of a page of ours, on the connection that `request` is about.

    `name`: of its URL, without the app's.
    """
    return _with(reverse(f"admin:{APP}_{name}", args=args), request, query)


def overview_url(request: HttpRequest) -> str:
    """Return the address of the overview."""
    return _with(reverse("admin:app_list", args=[APP]), request, {})


def jobs_url(request: HttpRequest, **terms: str) -> str:
    """Return the address of the list of jobs that a search finds; empty terms are left out."""
    words = [f"{name}:{_quoted(value)}" for name, value in terms.items() if value]
    return page_url("message_changelist", request=request, q=" ".join(words))


def _quoted(value: str) -> str:
    return f'"{value}"' if set(value) & set(' "') else value


def _with(url: str, request: HttpRequest | None, query: dict[str, str]) -> str:
    if request is not None and ON in request.GET:
        query = {**query, ON: request.GET[ON]}
    return f"{url}?{urlencode(query)}" if query else url
