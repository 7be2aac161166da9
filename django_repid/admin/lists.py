"""Jobs, buckets and failures as plain lists to look at."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import SEARCH_VAR
from django.db import router
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_repid import showing
from django_repid.columns import NameField
from django_repid.models import Bucket, Failure, Message


class LookAtAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Rows that workers write and people only look at.

    It reads where the workers write: a replica may lag behind.
    """

    show_full_result_count = False
    list_per_page = 50
    actions = None

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        """Read where the broker writes."""
        return super().get_queryset(request).using(router.db_for_write(self.model))

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Filter by what can be searched for: `?payload__startswith=` would tell secrets.

        Not by text that no name can hold: see `get_search_fields`.
        """
        given = {name.lstrip("=^@") for name in (*self.search_fields, *self.list_filter)}
        name = lookup.split("__", maxsplit=1)[0]
        column = {one.name: one for one in self.model._meta.concrete_fields}.get(name)
        if isinstance(column, NameField) and not str(value).isascii():
            return False
        return name in {"pk", "id", *given}

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """Leave names out of a search for text that none can hold: MariaDB refuses it."""
        fields = list(super().get_search_fields(request))
        if request.GET.get(SEARCH_VAR, "").isascii():
            return fields
        columns = {field.name: field for field in self.model._meta.concrete_fields}
        return [one for one in fields if not isinstance(columns[one.lstrip("=^@")], NameField)]

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> tuple["QuerySet[Any]", bool]:
        """Find nothing where nothing can be found."""
        if search_term and self.search_fields and not self.get_search_fields(request):
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Jobs are enqueued, not typed in."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Look, don't touch."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Look, don't touch."""
        return False


@admin.register(Message)
class MessageAdmin(LookAtAdmin):
    """Jobs that wait, run or are dead."""

    list_display = ("topic", "message_id", "state", "queue", "priority", "run", "tries", "reason")
    list_filter = ("state",)
    search_fields = ("=message_id", "=topic", "=queue")
    search_help_text = _("A job's id, an actor's name or a queue's name, whole.")
    ordering = ("-pk",)
    fields = (
        "topic", "message_id", "state", "queue", "priority", "enqueued", "due", "run", "claimed",
        "worker_id", "lease", "tries", "crashes", "waits_for", "dead_reason", "args_id",
        "arguments", "terms", "sent",
    )  # fmt: skip

    run = showing.moment("run_at", _("runs at"))
    due = showing.moment("due_at", _("due at"))
    enqueued = showing.moment("enqueued_at", _("enqueued at"))
    claimed = showing.moment("claimed_at", _("claimed at"))
    arguments = showing.arguments("payload", _("arguments"))
    terms = showing.plain_json("spec", _("terms"))
    sent = showing.plain_json("headers", _("headers"))

    @admin.display(description=_("why it is dead"), empty_value="–")
    def reason(self, row: Message) -> str | None:
        """Show why a job is dead."""
        return row.dead_reason or None

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        """Leave the payloads out of lists."""
        found = super().get_queryset(request)
        match = request.resolver_match
        listed = match is not None and (match.url_name or "").endswith("_changelist")
        return found.defer("payload", "spec", "headers") if listed else found


@admin.register(Bucket)
class BucketAdmin(LookAtAdmin):
    """Arguments and results, the newest first."""

    list_display = ("bucket_id", "kind", "topic", "success", "exception", "stored", "expires")
    list_filter = ("kind", "success")
    search_fields = ("=bucket_id", "=message_id", "=topic")
    search_help_text = _("The id of a bucket or a job, or an actor's name, whole.")
    ordering = ("-pk",)
    fields = (
        "bucket_id", "kind", "topic", "message_id", "queue", "worker", "success", "exception",
        "stored", "expires", "duration", "content", "arguments", "tries",
    )  # fmt: skip

    stored = showing.moment("stored_at", _("stored at"))
    expires = showing.moment("expires_at", _("expires at"))
    content = showing.bucket(_("data"))
    arguments = showing.arguments("payload", _("came from the arguments"))

    @admin.display(description=_("took"), empty_value="–")
    def duration(self, row: Bucket) -> str | None:
        """Show how long the actor ran."""
        if row.started_ns is None or row.finished_ns is None:
            return None
        return f"{(row.finished_ns - row.started_ns) / 1e9:.3f} s"


@admin.register(Failure)
class FailureAdmin(LookAtAdmin):
    """Failing attempts, the newest first."""

    list_display = ("exception", "short", "topic", "message_id", "number", "failed", "worker")
    search_fields = ("=message_id", "=topic", "=exception", "=fingerprint")
    search_help_text = _("A job's id, an actor's name or an exception's name, whole.")
    ordering = ("-pk",)
    fields = (
        "exception", "text", "topic", "message_id", "queue", "number", "failed", "worker",
        "fingerprint", "whole",
    )  # fmt: skip

    failed = showing.moment("failed_at", _("failed at"))
    whole = showing.text("traceback", _("traceback"))

    @admin.display(description=_("text"), empty_value="–")
    def short(self, row: Failure) -> str:
        """Show the beginning of the text."""
        return row.text[:80]
