"""PostgreSQL's settlement and claim in one statement: one round trip, one commit.

The statement has few shapes: with or without settlements, results and a claim, of one head or of
several. All its parts see one snapshot, so a message that is settled to run again at once is
claimed the next time.
"""

from collections.abc import Sequence
from typing import Any

from django_repid.brokers.database import rows
from django_repid.brokers.database.arrays import integers, texts, unnest
from django_repid.brokers.database.heads import OVERFETCH, Head, Taking
from django_repid.brokers.database.statements import Statements
from django_repid.core.bucket import BucketRecord
from django_repid.core.settlement import Settlement
from django_repid.models import Bucket

#: What `exchange` is told of each success, besides its worker: the fence, and its bucket. What
#: else the bucket keeps of the job it takes from the job's own row.
_FENCE = ("id", "lease")
_SUCCESS = (
    *_FENCE, "bucket_id", "data", "stored_at", "expires_at", "started_ns", "finished_ns", "payload",
)  # fmt: skip
_KEPT = (
    "payload", "message_id", "topic", "queue", "priority", "tries", "args_id", "spec", "headers",
)  # fmt: skip


def is_success(end: Settlement) -> bool:
    """Whether a settlement is what a job that succeeded leaves behind."""
    result = end.result
    if end.state is not None or end.failure is not None or end.message.spec.again is not None:
        return False
    return result is None or (result.success and result.origin is end.message)


def build(
    statements: Statements,
    ends: Sequence[Settlement],
    takings: Sequence[Taking],
    *,
    store_results: bool,
) -> tuple[str, list[Any]]:
    """Return the statement and its parameters. It answers lost keys, and rows beside them."""
    parts = [f"clock AS MATERIALIZED (SELECT {statements.now} AS now)"]
    parameters: list[Any] = [statements.now_parameter()]
    answer = "SELECT NULL AS lost"
    if ends:
        parts += _settling(statements, store_results)
        parameters += _success_parameters(sorted(ends, key=_by_key), store_results)
        lost = "SELECT array_agg(v.id) FROM v WHERE v.id NOT IN (SELECT id FROM gone)"
        answer = f"SELECT ({lost}) AS lost"
    if takings:
        names = [f"taken_{number}" for number in range(len(takings))]
        for name, taking in zip(names, takings, strict=True):
            parts.append(f"{name} AS ({_taking(statements, taking.heads)})")
            parameters += _taking_parameters(taking)
        union = " UNION ALL ".join(f"SELECT * FROM {name}" for name in names)
        columns = ", ".join(f"taken.{name}" for name in rows.MESSAGE_COLUMNS)
        answer = f"SELECT s.lost, {columns} FROM ({answer}) s LEFT JOIN ({union}) taken ON true"
    return f"WITH {', '.join(parts)} {answer}", parameters


def answer(found: Sequence[Sequence[Any]]) -> tuple[Sequence[Sequence[Any]], frozenset[int]]:
    """Return the rows that were taken, and the lost keys."""
    first = found[0]
    taken = [row[1:] for row in found] if len(first) > 1 and first[1] is not None else []
    return taken, frozenset(first[0] or ())


def _settling(statements: Statements, store_results: bool) -> list[str]:
    """Return the parts that settle successes: see `_success_parameters`.

    `v` drives the join to the rows by their keys, whatever the planner thinks of the table's
    size: joined the other way round, a hundred settlements took 3.3 ms instead of 0.2.
    """
    message = statements.message
    kept = ", ".join(f"m.{name}" for name in ("id", *_KEPT))
    parts = [
        f"v AS MATERIALIZED (SELECT * FROM {unnest(_SUCCESS if store_results else _FENCE)})",
        f"gone AS (DELETE FROM {message} m USING v WHERE m.id = v.id AND m.lease = v.lease "
        f"AND m.{statements.state_column} = 1 RETURNING {kept})",
    ]
    if not store_results:
        return parts
    names = ("bucket_id", "kind", "generated", "data", "stored_at", "expires_at", "started_ns",
             "finished_ns", "success", "worker", "payload", *_KEPT[1:])  # fmt: skip
    values = (
        f"v.bucket_id, {int(Bucket.Kind.RESULT)}, FALSE, v.data, v.stored_at, v.expires_at, "
        "v.started_ns, v.finished_ns, TRUE, %s, coalesce(v.payload, gone.payload), "
        + ", ".join(f"gone.{name}" for name in _KEPT[1:])
    )
    # In the order of the ids, so that two workers that write the same buckets cannot deadlock;
    # of equal ids in one batch the result of the job that ended last stays.
    parts += [
        f"kept AS (INSERT INTO {statements.bucket} ({', '.join(names)}) SELECT DISTINCT ON "
        f"(v.bucket_id) {values} FROM gone JOIN v USING (id) WHERE v.bucket_id IS NOT NULL "
        "ORDER BY v.bucket_id, v.finished_ns DESC, v.id DESC "
        f"{statements.on_taken}{statements.upsert_set})",
        f"freed AS (UPDATE {message} m SET run_at = clock.now, waits_for = NULL FROM clock "
        f"WHERE m.waits_for IS NOT NULL AND m.{statements.state_column} = 0 AND m.waits_for IN "
        "(SELECT v.bucket_id FROM gone JOIN v USING (id)))",
    ]
    return parts


def _taking(statements: Statements, heads: Sequence[Head]) -> str:
    """Return the part that takes messages: see `_taking_parameters`.

    Where there is one head the candidates are locked as they are found. With several, locking
    at once would lock rows that lose against others; they are ranked first, and of more
    candidates than are wanted, since others may have locked some.
    """
    message = statements.message
    due = "m.run_at <= (SELECT now FROM clock) ORDER BY m.run_at, m.id LIMIT %s"
    if len(heads) == 1:
        mine = (
            f"SELECT m.id FROM {message} m WHERE m.state = 0 AND m.queue = %s AND "
            f"m.topic = %s AND m.priority = %s AND {due} FOR UPDATE SKIP LOCKED"
        )
    else:
        mine = (
            f"SELECT m.id FROM (SELECT c.id, h.place, row_number() OVER (PARTITION BY h.queue "
            "ORDER BY h.priority DESC, c.run_at, c.id) AS turn FROM "
            f"{unnest(('queue', 'topic', 'priority', 'place'), 'h')}, LATERAL (SELECT m.id, "
            f"m.run_at FROM {message} m WHERE m.state = 0 AND m.queue = h.queue AND "
            f"m.topic = h.topic AND m.priority = h.priority AND {due}) c "
            f"ORDER BY turn, place LIMIT %s) cand JOIN {message} m USING (id) WHERE "
            "m.state = 0 ORDER BY cand.turn, cand.place LIMIT %s FOR UPDATE OF m SKIP LOCKED"
        )
    columns = ", ".join(f"m.{name}" for name in rows.MESSAGE_COLUMNS)
    return (
        f"UPDATE {message} m SET state = 1, lease = m.lease + 1, worker_id = %s, "
        f"claimed_at = (SELECT now FROM clock) WHERE m.id = ANY(ARRAY({mine})) "
        f"RETURNING {columns}"
    )


def _by_key(end: Settlement) -> int:
    return end.message.key.pk or 0


def _success_parameters(ends: Sequence[Settlement], store_results: bool) -> list[Any]:
    """Return the arrays of `_FENCE` or `_SUCCESS`, and the worker."""
    keys = [end.message.key for end in ends]
    fence = [integers([key.pk for key in keys]), integers([key.lease for key in keys])]
    if not store_results:
        return fence
    records = [end.result for end in ends]
    found = [record or _NO_RECORD for record in records]
    return [
        *fence,
        texts([None if record is None else record.id_ for record in records]),
        texts([record.data for record in found]),
        integers([record.stored_at for record in found]),
        integers(
            [
                None if record.ttl is None else (record.stored_at or 0) + record.ttl
                for record in found
            ]
        ),
        integers([record.started_ns for record in found]),
        integers([record.finished_ns for record in found]),
        # Of arguments that were in a bucket the row knows only the id.
        texts([end.message.payload if end.message.args_id else None for end in ends]),
        next((record.worker for record in found if record.worker), ""),
    ]


_NO_RECORD = BucketRecord(id_="", data="")


def _taking_parameters(taking: Taking) -> list[Any]:
    """Return the parameters of `_taking`."""
    heads, limit, worker_id = taking.heads, taking.limit, taking.worker_id
    if len(heads) == 1:
        (head,) = heads
        return [worker_id, head.queue, head.topic, head.priority, limit]
    places = {queue: n for n, queue in enumerate(dict.fromkeys(h.queue for h in heads))}
    most = limit * OVERFETCH
    return [
        worker_id,
        [head.queue for head in heads],
        [head.topic for head in heads],
        [head.priority for head in heads],
        [places[head.queue] for head in heads],
        most,
        most,
        limit,
    ]
