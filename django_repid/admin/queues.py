"""The pages of queues."""

from django.contrib import admin

from django_repid.admin.base import Page
from django_repid.models import Queue


@admin.register(Queue)
class QueueAdmin(Page):
    """Queues, and what can be done about them."""

    template = "queues.html"
