"""What is stored of a job, read with care: rows may have been written by anybody."""

from django_repid.core.codec import NewerFormat, Spec


def read_spec(text: str) -> Spec | None:
    """Return a job's terms; None if this version cannot read them."""
    try:
        spec = Spec.read(text)
    except (NewerFormat, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    numbers = (spec.at, spec.timeout, spec.retries)
    if not all(isinstance(number, int) for number in numbers):
        return None
    more = (spec.ttl, spec.until, spec.result_ttl)
    return spec if all(one is None or isinstance(one, int) for one in more) else None


def can_be_id(text: str) -> bool:
    """Whether a database can look for this id: MariaDB and PostgreSQL refuse to compare others."""
    return text.isascii() and "\0" not in text
