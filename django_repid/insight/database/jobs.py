"""Jobs by their rows: messages, and the results of those that have gone."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db import connections
from django.db.models import Exists, OuterRef, Q

from django_repid.brokers.database.heads import Head
from django_repid.brokers.database.vendors import statements_for
from django_repid.core.message import MessageState
from django_repid.insight.database.access import Access
from django_repid.insight.database.lines import (
    STANDS,
    BucketLines,
    MessageLines,
    named,
    with_failures,
)
from django_repid.insight.database.sources import HeadSource, Key, KeySource
from django_repid.insight.database.workers import DatabaseWorkers
from django_repid.insight.jobs import CANCELLED, CAP, LOOKED_AT, Count, JobPage, Line, Question
from django_repid.insight.state import JobState
from django_repid.insight.streams import END, Source, Stream, merged
from django_repid.models import Bucket, Message

_CHUNK = 500
_HEADS = 50
_PLACE = re.compile(r"(-?\d{1,18})\.(\d{1,18})")

_RUNNING = (JobState.RUNNING, JobState.LOST)
_BUCKETS = (JobState.DONE, JobState.CANCELLED, JobState.FAILED)


class DatabaseJobs(DatabaseWorkers, Access):
    """The part of a reader that sees lists of jobs."""

    def job_page(self, question: Question, *, after: str = "", limit: int = 50) -> JobPage:
        """See `JobReader.job_page`."""
        sources = self._sources(question)
        streams = [
            Stream(source, place, limit + 1 if _all_fit(source, question) else _CHUNK, LOOKED_AT)
            for source, place in _placed(sources, after.split("_") if after else [])
        ]
        by_enqueue = question.state is None
        lines = list(
            merged(streams, limit, lambda one: one.enqueued_at if by_enqueue else one.when)
        )
        more = any(stream.first() is not None or not stream.ended for stream in streams)
        at = {id(stream.source): stream.place for stream in streams}
        gave_up = sum(stream.looked_at for stream in streams if stream.gave_up)
        return JobPage(
            lines=with_failures(self.database, lines),
            after="_".join(at.get(id(source), END) for source in sources) if more else "",
            looked_at=gave_up or None,
        )

    def _sources(self, asked: Question) -> list[Source[int, Line]]:
        state, now = asked.state, self.now_us()
        if state is None or state in _RUNNING:
            return [*self._by_key(asked, now), *([] if state else [self._results(asked)])]
        if state in (JobState.DONE, JobState.CANCELLED):
            return [self._results(asked)]
        stands = MessageState.DEAD if state is JobState.FAILED else MessageState.READY
        since, until = asked.since, asked.until
        if state is JobState.WAITING:
            until = now if until is None else min(until, now)
        elif state is JobState.LATER:
            since = now + 1 if since is None else max(since, now + 1)
        waiting = HeadSource(
            self.database,
            stands,
            self._heads(stands, asked),
            self._lines(asked, now, {state}),
            since,
            until,
            oldest_first=stands is MessageState.READY,
        )
        return [waiting, self._results(asked)] if state is JobState.FAILED else [waiting]

    def _lines(self, asked: Question, now: int, states: set[JobState] | None) -> MessageLines:
        live = {worker.id for worker in self.workers() if worker.lives}
        wanted = frozenset(JobState) if states is None else frozenset(states)
        return MessageLines(self.database, asked, now, live, wanted)

    def _by_key(self, asked: Question, now: int) -> list[Source[int, Line]]:
        rows = Message.objects.using(self.database)
        state = asked.state
        running = rows.filter(state=MessageState.RUNNING) if state else rows.all()
        if asked.search.id:
            running = running.filter(message_id=asked.search.id)
        return [KeySource(running, self._lines(asked, now, {state} if state else None))]

    def _results(self, asked: Question) -> Source[int, Line]:
        alive = Q(expires_at__isnull=True) | Q(expires_at__gt=self.now_us())
        rows = Bucket.objects.using(self.database).filter(
            alive, kind=Bucket.Kind.RESULT, topic__isnull=False
        )
        return KeySource(rows, BucketLines(self.database, asked))

    def _heads(self, state: MessageState, asked: Question) -> list[Head]:
        connection = connections[self.database]
        heads, _now = statements_for(connection).heads(connection, state)
        return [
            head
            for head in heads
            if _is_named(head.topic, asked.search.actor)
            and _is_named(head.queue, asked.search.queue)
        ]

    def counts(self, question: Question) -> Mapping[JobState, Count]:
        """See `JobReader.counts`."""
        now = self.now_us()
        ready, dead = (
            self._heads(state, question) for state in (MessageState.READY, MessageState.DEAD)
        )
        since, until = (
            "" if moment is None else f"AND run_at {sign} {int(moment)}"
            for moment, sign in ((question.since, ">="), (question.until, "<="))
        )
        moments = f"{since} {until}"
        due = self._count_heads(ready, MessageState.READY, f"AND run_at <= {now} {moments}")
        later = self._count_heads(ready, MessageState.READY, f"AND run_at > {now} {moments}")
        again_due, again_later = self._count_retrying(ready, now, moments)
        found = {
            JobState.WAITING: _less(due, again_due),
            JobState.LATER: _less(later, again_later),
            JobState.RETRYING: _sum(again_due, again_later),
            **self._count_running(question),
            **self._count_results(question),
        }
        standing = self._count_heads(dead, MessageState.DEAD, moments)
        found[JobState.FAILED] = _sum(standing, found[JobState.FAILED])
        return found

    def _count_heads(self, heads: Sequence[Head], state: MessageState, where: str) -> Count:
        """Count messages along the index alone, at most so many of each head."""
        total = 0
        for start in range(0, len(heads), _HEADS):
            some = heads[start : start + _HEADS]
            rows = self._of_heads(some, state, "SELECT COUNT(*) FROM", "1 AS one", where)
            total += sum(int(row[0]) for row in rows)
            if total > CAP:
                return Count(CAP, more=True)
        return Count(total)

    def _count_retrying(self, heads: Sequence[Head], now: int, where: str) -> tuple[Count, Count]:
        """Count jobs that are tried again, now and later, among so many in all.

        No index knows them, so each row that is counted is read.
        """
        due = later = looked_at = 0
        sums = (
            f"SELECT COUNT(*), COALESCE(SUM(CASE WHEN tries > 0 AND run_at <= {now} THEN 1 ELSE 0 "
            f"END), 0), COALESCE(SUM(CASE WHEN tries > 0 AND run_at > {now} THEN 1 ELSE 0 END), 0) "
            "FROM"
        )
        for head in heads:
            (row,) = self._of_heads([head], MessageState.READY, sums, "tries, run_at", where)
            looked_at, due, later = looked_at + int(row[0]), due + int(row[1]), later + int(row[2])
            if looked_at > CAP:
                return Count(due, more=True), Count(later, more=True)
        return Count(due), Count(later)

    def _of_heads(
        self, heads: Sequence[Head], state: MessageState, what: str, columns: str, where: str
    ) -> Sequence[Sequence[Any]]:
        """Ask for a sum over the first messages of each head."""
        table = Message._meta.db_table
        parts = [
            f"{what} (SELECT {columns} FROM {table} WHERE state = {int(state)} "
            f"AND queue = %s AND topic = %s AND priority = %s {where} LIMIT {CAP + 1}) "
            f"AS some{number}"
            for number in range(len(heads))
        ]
        values = [value for head in heads for value in (head.queue, head.topic, head.priority)]
        with connections[self.database].cursor() as cursor:
            cursor.execute(" UNION ALL ".join(parts), values)
            return list(cursor.fetchall())

    def _count_running(self, asked: Question) -> Mapping[JobState, Count]:
        live = {worker.id for worker in self.workers() if worker.lives}
        rows = Message.objects.using(self.database).filter(state=MessageState.RUNNING)
        rows = rows.filter(*_names(asked), *_range("claimed_at", asked)).order_by()
        found = list(rows.values_list("worker_id", flat=True)[: CAP + 1])
        lost = sum(worker is not None and worker not in live for worker in found)
        return {
            JobState.LOST: Count(lost),
            JobState.RUNNING: Count(min(len(found) - lost, CAP), more=len(found) > CAP),
        }

    def _count_results(self, asked: Question) -> Mapping[JobState, Count]:
        """Count among the newest results: the history has no end."""
        newest = Bucket.objects.using(self.database).filter(kind=Bucket.Kind.RESULT)
        newest = newest.filter(topic__isnull=False).order_by("-pk")
        edge = newest.values_list("pk", flat=True)[CAP : CAP + 1].first()
        rows: Any = newest if edge is None else newest.filter(pk__gt=edge)
        rows = rows.filter(*_names(asked), *_range("stored_at", asked))
        rows = rows.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=self.now_us())).order_by()
        more = edge is not None
        standing = Message.objects.filter(STANDS, message_id=OuterRef("message_id"))
        failed = rows.filter(Q(success=False) & ~Q(exception=CANCELLED)).filter(~Exists(standing))
        return {
            JobState.DONE: Count(rows.filter(success=True).count(), more),
            JobState.CANCELLED: Count(
                rows.filter(success=False, exception=CANCELLED).count(), more
            ),
            JobState.FAILED: Count(failed.count(), more),
        }


def _placed(
    sources: Sequence[Source[int, Line]], places: Sequence[str]
) -> Iterator[tuple[Source[int, Line], Key | None]]:
    """Return sources that have not come to their end, each with the key to go on after."""
    for number, source in enumerate(sources):
        place = places[number] if number < len(places) else ""
        if place == END:
            continue
        found = _PLACE.fullmatch(place)
        yield source, (int(found[1]), int(found[2])) if found else None


def _all_fit(source: Source[int, Line], asked: Question) -> bool:
    """Whether most rows of a source are what is asked for, as far as can be told before."""
    search = asked.search
    if search.by_content or search.id or asked.state in (JobState.RETRYING, JobState.CANCELLED):
        return False
    if isinstance(source, HeadSource):
        return True
    moments = asked.since is not None or asked.until is not None
    return asked.state is not JobState.FAILED and not (search.actor or search.queue or moments)


def _sum(one: Count, other: Count) -> Count:
    return Count(min(one.n + other.n, CAP), one.more or other.more or one.n + other.n > CAP)


def _less(one: Count, other: Count) -> Count:
    """Take away from a count what is counted elsewhere."""
    return one if one.more else Count(max(one.n - other.n, 0), other.more)


def _is_named(name: str, wanted: str) -> bool:
    if wanted.endswith("*"):
        return name.startswith(wanted[:-1])
    return not wanted or name == wanted


def _names(asked: Question) -> list[Q]:
    pairs = (("topic", asked.search.actor), ("queue", asked.search.queue))
    return [named(column, name) for column, name in pairs if name]


def _range(column: str, asked: Question) -> list[Q]:
    pairs = ((f"{column}__gte", asked.since), (f"{column}__lte", asked.until))
    return [Q((lookup, moment)) for lookup, moment in pairs if moment is not None]
