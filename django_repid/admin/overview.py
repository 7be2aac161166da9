"""The overview: what `/admin/django_repid/` shows instead of a list of models."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from django_repid.admin.base import context


def overview(request: HttpRequest) -> dict[str, Any]:
    """Return the context of the overview."""
    return context(request, title=_("Background jobs"), current="")
