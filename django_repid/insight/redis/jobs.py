"""Jobs by their keys: messages, and the results of those that have gone."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, repeat

from django_repid.core.message import MessageState, StoredMessage
from django_repid.insight.jobs import CAP, LOOKED_AT, Count, JobPage, Line, Question
from django_repid.insight.redis.causes import RedisCauses
from django_repid.insight.redis.lines import (
    Left,
    ended_line,
    fits,
    is_named,
    message_line,
    read_left,
)
from django_repid.insight.redis.queues import RedisQueues
from django_repid.insight.redis.sources import Members, resumed
from django_repid.insight.search import Search
from django_repid.insight.state import JobState, state_of
from django_repid.insight.streams import merged

_RUNNING = (JobState.RUNNING, JobState.LOST)
_ENDED = (JobState.DONE, JobState.CANCELLED)
_WAITING = (JobState.WAITING, JobState.LATER, JobState.RETRYING)
#: Results that are looked at to be counted, the newest: each is read.
_COUNTED = 500


class RedisJobs(RedisQueues, RedisCauses):
    """The part of a reader that sees lists of jobs."""

    def job_page(self, question: Question, *, after: str = "", limit: int = 50) -> JobPage:
        """See `JobReader.job_page`."""
        if question.state in _RUNNING:
            return self._running_page(question, after, limit)
        places = chain(after.split("~"), repeat(""))
        streams = [
            resumed(source, place, LOOKED_AT)
            for source, place in zip(self._sources(question), places, strict=False)
        ]
        by_enqueue = question.state is None
        lines = list(
            merged(streams, limit, lambda one: one.enqueued_at if by_enqueue else one.when)
        )
        more = any(stream.first() is not None or not stream.ended for stream in streams)
        gave_up = sum(stream.looked_at for stream in streams if stream.gave_up)
        return JobPage(
            lines=self._told(lines),
            after="~".join(stream.place for stream in streams) if more else "",
            looked_at=gave_up or None,
        )

    def _running_page(self, asked: Question, after: str, limit: int) -> JobPage:
        """What runs is never more than workers run at once: all of it is looked at."""
        pks = [pk for some in self.running_keys().values() for pk in some]
        later = [pk for pk in sorted(pks, reverse=True) if not after or pk < after.encode()]
        found = self._message_lines(asked)(later)
        lines = [found[pk] for pk in later if pk in found]
        page = lines[:limit]
        more = len(lines) > limit
        return JobPage(lines=self._told(page), after=f"{page[-1].key:016}" if more else "")

    def _sources(self, asked: Question) -> list[Members[Line]]:
        state, now = asked.state, self.now_us()
        results = Members(self.ask, [self.key("done")], self._result_lines(asked))
        if state in _ENDED:
            return [results]
        lines = self._message_lines(asked)
        if state is JobState.FAILED:
            return [Members(self.ask, [self.key("died")], lines), results]
        if state is None:
            return [Members(self.ask, self._queue_keys(asked), lines), results]
        keys = [self.key(f"ready:{head}") for head in self._heads(asked)]
        waiting = Members(self.ask, keys, lines, oldest_first=True)
        if state is JobState.WAITING:
            waiting.high = now
        elif state is JobState.LATER:
            waiting.low = now + 1
        return [waiting]

    def _heads(self, asked: Question) -> list[str]:
        found = []
        for head in self.heads():
            queue, topic, _ = head.split()
            if is_named(queue, asked.search.queue) and is_named(topic, asked.search.actor):
                found.append(head)
        return found

    def _queue_keys(self, asked: Question) -> list[str]:
        names = {one.queue for one in self.backlogs()} | {one.queue for one in self.running()}
        wanted = sorted(name for name in names if is_named(name, asked.search.queue))
        return [self.key(f"{kind}:{name}") for name in wanted for kind in ("all", "dead")]

    def live(self) -> set[int]:
        """Return the ids of the workers that are there."""
        return {worker.id for worker in self.workers() if worker.lives}

    def _message_lines(self, asked: Question) -> Callable[[Sequence[bytes]], Mapping[bytes, Line]]:
        now, live = self.now_us(), self.live()

        def lines(pks: Sequence[bytes]) -> Mapping[bytes, Line]:
            messages = self.messages(pks)
            said = self._last_said(messages) if asked.search.error else {}
            shown = ((message_line(one, now=now, live=live)) for one in messages)
            return {
                f"{line.key:016}".encode(): line
                for line in shown
                if fits(line, asked, said.get(line.id, ()))
            }

        return lines

    def _last_said(self, messages: Sequence[StoredMessage]) -> dict[str, tuple[str, ...]]:
        """Return what the failing attempts of jobs said."""
        ids = [one.key.id_ for one in messages if one.tries]
        found = self.ask(*(("ZREVRANGE", self.key(f"failed:{id_}"), 0, 4) for id_ in ids))
        attempts = self.failed([n for some in found for n in some])
        said: dict[str, tuple[str, ...]] = {}
        for one in attempts:
            said[one.id] = (*said.get(one.id, ()), one.exception, one.text, one.fingerprint)
        return said

    def _told(self, lines: Sequence[Line]) -> list[Line]:
        ids = [line.id for line in lines if not line.bucket and line.tries]
        newest = self.ask(*(("ZREVRANGE", self.key(f"failed:{id_}"), 0, 0) for id_ in ids))
        last = {one.id: one for one in self.failed([n for some in newest for n in some])}
        found = []
        for line in lines:
            one = None if line.bucket else last.get(line.id)
            if one is None:
                found.append(line)
            else:
                text = (one.text.strip().splitlines() or [""])[0][:300]
                error = line.error or f"{one.exception}: {text}"
                ran = one.took if line.ran is None else line.ran
                found.append(replace(line, error=error, ran=ran))
        return found

    def lefts(self, ids: Collection[bytes]) -> dict[bytes, Left]:
        """Return the results that are there and say which job they came from."""
        now, wanted = self.now_us(), list(ids)
        texts = self.ask(*(("GET", self.key(f"b:{id_.decode()}")) for id_ in wanted))
        found = {}
        for id_, text in zip(wanted, texts, strict=True):
            left = None if text is None else read_left(id_.decode(), text)
            if left is not None and left.id and (left.expires_at or now + 1) > now:
                found[id_] = left
        return found

    def _result_lines(self, asked: Question) -> Callable[[Sequence[bytes]], Mapping[bytes, Line]]:
        def lines(ids: Sequence[bytes]) -> Mapping[bytes, Line]:
            found = {id_: ended_line(left) for id_, left in self.lefts(ids).items()}
            failed = [line.id for line in found.values() if line.state is JobState.FAILED]
            standing = {
                one.key.id_
                for one in (self.broker.find(failed) if failed else ())
                if one.state is MessageState.DEAD or one.spec.again is None
            }
            return {
                id_: line
                for id_, line in found.items()
                if not (line.state is JobState.FAILED and line.id in standing) and fits(line, asked)
            }

        return lines

    def _states(self, pks: Sequence[bytes], asked: Question) -> Iterator[JobState]:
        """Return the states of messages that do not run; their payloads are not read."""
        now, search = self.now_us(), asked.search
        names = ("s", "h", "r", "t")
        for row_state, head, run_at, tries in self.ask(
            *(("HMGET", self.key(f"m:{pk.decode()}"), *names) for pk in pks)
        ):
            if head is None or int(row_state) == MessageState.RUNNING:
                continue  # gone, or claimed, since it was listed
            queue, topic, _ = head.decode().split()
            moment = int(run_at)
            if (
                is_named(queue, search.queue)
                and is_named(topic, search.actor)
                and (asked.since is None or moment >= asked.since)
                and (asked.until is None or moment <= asked.until)
            ):
                stands, failed = MessageState(int(row_state)), int(tries or 0)
                yield state_of(stands, moment, now=now, tries=failed, orphaned=False)

    def counts(self, question: Question) -> Mapping[JobState, Count]:
        """See `JobReader.counts`."""
        search = Search(actor=question.search.actor, queue=question.search.queue)
        asked = replace(question, search=search, state=None)
        heads = [self.key(f"ready:{head}") for head in self._heads(asked)]
        listed = self.ask(*(("ZRANGE", key, 0, CAP) for key in heads))
        ready = [pk for some in listed for pk in some]
        running = [pk for some in self.running_keys().values() for pk in some]
        (dead,) = self.ask(("ZREVRANGE", self.key("died"), 0, CAP))
        (done,) = self.ask(("ZREVRANGE", self.key("done"), 0, _COUNTED))
        lines = self._message_lines(asked)(running)
        results = self._result_lines(asked)(done[:_COUNTED])
        numbers = dict.fromkeys(JobState, 0)
        for line in (*lines.values(), *results.values()):
            numbers[line.state] += 1
        for state in self._states([*ready[:CAP], *dead[:CAP]], asked):
            numbers[state] += 1
        more = {state: len(ready) > CAP for state in _WAITING}
        more |= dict.fromkeys((*_ENDED, JobState.FAILED), len(done) > _COUNTED)
        return {state: Count(n, more.get(state, False)) for state, n in numbers.items()}
