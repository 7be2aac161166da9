"""Buckets by their rows."""

from django.db.models import Q

from django_repid.insight.database.access import Access
from django_repid.insight.jobs import CAP, BucketLine, BucketPage
from django_repid.insight.terms import can_be_id
from django_repid.models import Bucket

_COLUMNS = (
    "pk", "bucket_id", "kind", "message_id", "topic", "success", "exception", "stored_at",
    "expires_at",
)  # fmt: skip


class DatabaseBuckets(Access):
    """The part of a reader that sees buckets."""

    def bucket_page(self, word: str = "", *, after: str = "", limit: int = 50) -> BucketPage:
        """See `JobReader.bucket_page`."""
        alive = Q(expires_at__isnull=True) | Q(expires_at__gt=self.now_us())
        every = Bucket.objects.using(self.database).order_by("-pk")
        rows = every.filter(pk__lt=int(after)) if after.isdecimal() and len(after) < 19 else every  # noqa: PLR2004 - what fits a bigint
        looked_at = None
        if word:
            edge = rows.values_list("pk", flat=True)[CAP : CAP + 1].first()
            rows = rows if edge is None else rows.filter(pk__gte=edge)
            looked_at = None if edge is None else CAP
            named = Q(bucket_id=word) | Q(message_id=word) | Q(topic=word)
            rows = rows.filter(named) if can_be_id(word) else rows.none()
        found = list(rows.filter(alive).values_list(*_COLUMNS)[: limit + 1])
        lines = [
            BucketLine(
                id=id_,
                is_result=kind == Bucket.Kind.RESULT,
                job=job or "",
                topic=topic or "",
                success=success,
                exception=exception or "",
                stored_at=stored_at,
                expires_at=expires_at,
            )
            for _pk, id_, kind, job, topic, success, exception, stored_at, expires_at in found
        ]
        more = len(found) > limit
        return BucketPage(lines[:limit], str(found[limit - 1][0]) if more else "", looked_at)
