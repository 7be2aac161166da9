"""The page of schedules."""

from django.contrib import admin

from django_repid.admin.base import Page
from django_repid.models import Schedule


@admin.register(Schedule)
class ScheduleAdmin(Page):
    """Recurring jobs, in words."""

    template = "schedules.html"
