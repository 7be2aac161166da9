"""The page of workers."""

from django.contrib import admin

from django_repid.admin.base import Page
from django_repid.models import WorkerProcess


@admin.register(WorkerProcess)
class WorkerAdmin(Page):
    """Workers: which live, which are leaving, which are silent or gone."""

    template = "workers.html"
