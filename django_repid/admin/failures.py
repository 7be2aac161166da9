"""Failures: the overview shows them by their causes, and each job's page its own."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from django_repid.admin.base import Page
from django_repid.admin.links import overview_url
from django_repid.models import Failure


@admin.register(Failure)
class FailureAdmin(Page):
    """No page of its own: who may see failures finds their causes on the overview."""

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Lead to the overview."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect(overview_url(request))
