"""Which failures are worth another try."""

from dataclasses import dataclass
from typing import Any

from django_repid.core.errors import (
    ArgsBucketMissing,
    ArgsInvalid,
    ConfigurationError,
    Quarantined,
    ResultInvalid,
    TtlExpired,
    UpstreamFailed,
)
from django_repid.core.retry import RetryAfter

Classes = tuple[type[BaseException], ...]
#: What people write: one class, or several.
ClassesGiven = type[BaseException] | tuple[type[BaseException], ...] | list[type[BaseException]]

#: Failures that another try cannot mend.
_FINAL = (ArgsInvalid, ArgsBucketMissing, ResultInvalid, UpstreamFailed, TtlExpired, Quarantined)


@dataclass(frozen=True, slots=True)
class Retryable:
    """An actor's word on which exceptions are worth another try.

    `only`: these and no others, where not None. `never`: these are not; it goes before `only`.
    """

    only: Classes | None = None
    never: Classes = ()

    def __contains__(self, exception: BaseException) -> bool:
        if isinstance(exception, _FINAL):
            return False
        if isinstance(exception, RetryAfter):
            return True
        if isinstance(exception, self.never):
            return False
        return self.only is None or isinstance(exception, self.only)


#: What an actor says that says nothing.
ALL = Retryable()


def checked(retry_on: Any, give_up_on: Any) -> Retryable:
    """Return what the terms of an actor say.

    Raises:
        ConfigurationError: one is no exception class, or could not have the effect it names.

    """
    if retry_on is None:
        return Retryable(never=_classes("give_up_on", give_up_on))
    only = _classes("retry_on", retry_on)
    if not only:
        message = "retry_on=() would let nothing be tried again: that is retries=0."
        raise ConfigurationError(message)
    if final := [one.__name__ for one in only if issubclass(one, _FINAL)]:
        message = f"retry_on: another try cannot mend {', '.join(final)}: it fails for good."
        raise ConfigurationError(message)
    return Retryable(only, _classes("give_up_on", give_up_on))


def _classes(term: str, given: Any) -> Classes:
    if given is None:
        return ()
    classes = tuple(given) if isinstance(given, tuple | list) else (given,)
    for one in classes:
        if not isinstance(one, type) or not issubclass(one, BaseException):
            message = f"{term} takes an exception class, or a tuple or list of them, not {one!r}."
            raise ConfigurationError(message)
    return classes
