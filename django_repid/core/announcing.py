"""What middlewares hear of settlements: the events of Repid's verbs."""

from collections.abc import Iterable

from django_repid.core.message import MessageState
from django_repid.core.middleware import Middleware
from django_repid.core.settlement import Settlement


def announce(
    middleware: Middleware, when: str, ends: Iterable[Settlement], *, verb: str | None = None
) -> None:
    """Emit the events of the verbs that settlements are, and of their result buckets.

    `verb`: what they are, where somebody has said it.
    """
    if not middleware.has_subscribers:
        return
    result = {"result": None} if when == "after" else {}
    for end in ends:
        if end.result is not None and middleware.listens("store_bucket"):
            record = end.result
            middleware.emit(f"{when}_store_bucket", id_=record.id_, payload=record.bucket, **result)
        said = verb or _verb(end)
        if middleware.listens(said):
            middleware.emit(
                f"{when}_{said}",
                key=end.message.key,
                payload=end.message.payload or "",
                params=end.message.parameters,
                **result,
            )


def _verb(end: Settlement) -> str:
    """Return what Repid calls this settlement."""
    if end.state is None:
        return "ack"
    if end.state is MessageState.DEAD:
        return "nack"
    # What is as it was was not tried again, whether or not its actor has run.
    untouched = end.tries == end.message.tries and end.due_at == end.message.due_at
    return "reject" if untouched or not end.processed else "requeue"
