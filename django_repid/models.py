"""The tables of the queue.

Times are bigint microseconds since the epoch, set and compared by the database's clock (on SQLite
by the machine's): no session time zone and no `USE_TZ` can shift a due time. Ids and names are
case-sensitive on every database. The hot paths run raw SQL (`brokers.database`); these models are
for migrations, for the admin and for queries of your own.
"""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_repid.columns import LeanIndex, MicrosecondsField, NameField
from django_repid.core import clock
from django_repid.core.message import MessageState


def _known(column: str) -> dict[str, models.Q]:
    """Return the rows in which a column is set, for the vendors that can leave out the others."""
    there = models.Q((f"{column}__isnull", False))
    return {"postgresql": there, "sqlite": there}


class Message(models.Model):
    """A job that waits, runs or is dead: one hot and narrow row, removed at its end."""

    class State(models.IntegerChoices):
        """The three states. A deferred or retried job is READY with a later `run_at`."""

        READY = MessageState.READY, _("ready")
        RUNNING = MessageState.RUNNING, _("running")
        DEAD = MessageState.DEAD, _("dead")

    id = models.BigAutoField(primary_key=True)
    message_id = NameField(max_length=128)
    queue = NameField(max_length=64)
    topic = NameField(max_length=255)
    priority = models.SmallIntegerField()
    state = models.SmallIntegerField(choices=State.choices)
    run_at = MicrosecondsField(help_text=_("Not before; of a dead message, when it died."))
    due_at = MicrosecondsField(help_text=_("When it became due: what its ttl counts from."))
    tick = MicrosecondsField(null=True, help_text=_("The occurrence of a recurring job."))
    renewal = models.TextField(null=True, help_text=_("New terms, from its next occurrence on."))
    enqueued_at = MicrosecondsField()
    lease = models.IntegerField(help_text=_("Raised by each claim; never lowered."))
    worker_id = models.BigIntegerField(null=True)
    claimed_at = MicrosecondsField(null=True)
    tries = models.IntegerField(help_text=_("Failed attempts so far."))
    crashes = models.IntegerField(help_text=_("Workers that died while it ran."))
    suspicion = models.SmallIntegerField(help_text=_("Whether it may have killed its worker."))
    cancel_asked = models.BooleanField()
    args_id = NameField(max_length=128, null=True)
    args_generated = models.BooleanField(help_text=_("Its args_id was made, not chosen."))
    payload = models.TextField(null=True)
    waits_for = NameField(max_length=128, null=True, help_text=_("The bucket it waits for."))
    dead_reason = models.CharField(max_length=200)
    spec = models.TextField(help_text=_("Its terms, as text with a format version."))
    headers = models.TextField()

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        permissions: ClassVar = [
            ("retry_job", "Can run jobs again or at once"),
            ("cancel_job", "Can cancel jobs, and stop recurring ones"),
            ("view_payload", "Can see arguments and results"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["message_id"], name="repid_message_id"),
        ]
        indexes: ClassVar = [
            # Without the running rows a claim writes no entry into it (measured on PostgreSQL: 46k
            # against 27k claims and deletions a second). SQLite would need the very words of the
            # condition in every query.
            LeanIndex(
                fields=["state", "queue", "topic", "priority", "run_at", "id"],
                name="repid_message_claim",
                where={"postgresql": ~models.Q(state=MessageState.RUNNING.value)},
            ),
            # On PostgreSQL also the way to all running rows, which the other index leaves out.
            LeanIndex(
                fields=["worker_id"],
                name="repid_message_worker",
                where={
                    **_known("worker_id"),
                    "postgresql": models.Q(state=MessageState.RUNNING.value),
                },
            ),
            LeanIndex(
                fields=["waits_for"], name="repid_message_waits_for", where=_known("waits_for")
            ),
            LeanIndex(fields=["tick"], name="repid_message_tick", where=_known("tick")),
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.message_id}"


class Schedule(Message):
    """A recurring job: what the page of schedules stands under in the admin."""

    class Meta:
        proxy = True
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        default_permissions = ("view",)


class Bucket(models.Model):
    """Arguments and results; with `origin` columns, the history of finished jobs."""

    class Kind(models.IntegerChoices):
        """What a bucket holds. Either can be read as arguments."""

        ARGUMENTS = 0, _("arguments")
        RESULT = 1, _("result")

    id = models.BigAutoField(primary_key=True)
    bucket_id = NameField(max_length=128)
    kind = models.SmallIntegerField(choices=Kind.choices)
    generated = models.BooleanField(help_text=_("Its id was made, not chosen."))
    data = models.TextField()
    stored_at = MicrosecondsField()
    expires_at = MicrosecondsField(null=True)
    started_ns = models.BigIntegerField(null=True)
    finished_ns = models.BigIntegerField(null=True)
    success = models.BooleanField(null=True)
    exception = models.CharField(max_length=255, null=True)
    message_id = NameField(max_length=128, null=True)
    topic = NameField(max_length=255, null=True)
    queue = NameField(max_length=64, null=True)
    priority = models.SmallIntegerField(null=True)
    tries = models.IntegerField(null=True)
    worker = models.CharField(max_length=255, null=True)
    payload = models.TextField(null=True, help_text=_("The arguments that the result came from."))
    args_id = NameField(max_length=128, null=True)
    spec = models.TextField(null=True)
    headers = models.TextField(null=True)

    class Meta:
        verbose_name = _("bucket")
        verbose_name_plural = _("buckets")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["bucket_id"], name="repid_bucket_id"),
        ]
        indexes: ClassVar = [
            LeanIndex(
                fields=["expires_at"], name="repid_bucket_expires", where=_known("expires_at")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.bucket_id}"


class Failure(models.Model):
    """One failing attempt, away from the hot row; only ever appended."""

    id = models.BigAutoField(primary_key=True)
    message_key = models.BigIntegerField(help_text=_("The primary key of its message."))
    message_id = NameField(max_length=128)
    topic = NameField(max_length=255)
    queue = NameField(max_length=64)
    worker = models.CharField(max_length=255)
    number = models.IntegerField(help_text=_("Which try it was, from 1."))
    lease = models.IntegerField()
    failed_at = MicrosecondsField()
    duration_us = models.BigIntegerField()
    exception = models.CharField(max_length=255)
    fingerprint = NameField(max_length=16, help_text=_("Equal for failures with one cause."))
    text = models.TextField()
    traceback = models.TextField()

    class Meta:
        verbose_name = _("failure")
        verbose_name_plural = _("failures")
        indexes: ClassVar = [
            models.Index(fields=["message_key"], name="repid_failure_message"),
            models.Index(fields=["message_id"], name="repid_failure_message_id"),
        ]

    def __str__(self) -> str:
        return f"{self.exception} in {self.topic}"


class WorkerProcess(models.Model):
    """A worker that lives, or has not been found dead yet. Ids are never used again."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=255)
    beat = models.BigIntegerField()
    # On SQLite beats are not written (see `brokers.database.roster`): both stand still there.
    beat_at = MicrosecondsField(help_text=_("For people; rescue looks at no clock."))
    started_at = MicrosecondsField()
    draining = models.BooleanField()
    host = models.CharField(max_length=255)
    boot_id = models.CharField(max_length=64)
    pid = models.IntegerField()
    pid_started = models.CharField(max_length=32)
    queues = models.TextField()
    topics = models.TextField()
    schedules = models.TextField(help_text=_("Ids of the recurring jobs that its code declares."))
    version = models.CharField(max_length=32)

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")

    def __str__(self) -> str:
        return f"{self.name}"


class Queue(models.Model):
    """What was said about a queue. A queue without a row is simply not paused."""

    name = NameField(max_length=64, primary_key=True)
    paused_at = MicrosecondsField(null=True)
    paused_by = models.CharField(max_length=255, default="", blank=True)
    pause_reason = models.CharField(max_length=255, default="", blank=True)
    limits = models.TextField(default="", blank=True)

    class Meta:
        verbose_name = _("queue")
        verbose_name_plural = _("queues")
        permissions: ClassVar = [("pause_queue", "Can pause and resume queues")]

    def __str__(self) -> str:
        return f"{self.name}"


class OutboxMessage(models.Model):
    """A job that is to be sent to another store, kept by the transaction that enqueued it."""

    id = models.BigAutoField(primary_key=True)
    target = NameField(max_length=64, help_text=_("The prefix of the broker that sends it."))
    body = models.TextField(help_text=_("What it sends; nobody else reads it."))

    class Meta:
        verbose_name = _("job in the outbox")
        verbose_name_plural = _("jobs in the outbox")

    def __str__(self) -> str:
        return f"{self.pk} for {self.target}"


class Statistic(models.Model):
    """What one worker did of one actor in one minute: counts, and a histogram of durations."""

    id = models.BigAutoField(primary_key=True)
    minute = models.BigIntegerField(help_text=_("Minutes since the epoch."))
    queue = NameField(max_length=64)
    topic = NameField(max_length=255)
    worker_id = models.BigIntegerField()
    succeeded = models.IntegerField(default=0)
    failed = models.IntegerField(default=0)
    retried = models.IntegerField(default=0)
    duration_us = models.BigIntegerField(default=0)
    histogram = models.TextField(default="")

    class Meta:
        verbose_name = _("statistic")
        verbose_name_plural = _("statistics")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["minute", "queue", "topic", "worker_id"], name="repid_statistic_minute"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.topic} at {clock.from_us(self.minute * 60_000_000):%Y-%m-%d %H:%M}"
