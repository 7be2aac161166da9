"""An actor: a function that runs jobs, and its terms."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django_repid.core.converter import ConverterT
from django_repid.core.depends import Injection
from django_repid.core.redaction import Secrets
from django_repid.core.retry import RetryPolicyT
from django_repid.core.retryable import ALL, Retryable
from django_repid.core.schedule import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A registered function. `timeout` and `retries` are what its jobs get unless they say.

    `retryable`: the exceptions that are worth another try. `atomic`: it runs in one transaction
    with the settlement of its job. `run_in_process`: a child process of the worker's runs it.
    `schedule`: of the recurring job that it declares. `injection`: the parameters that a worker
    fills, if there are any. `secrets`: the marks on its signature.
    """

    fn: Callable[..., Any]
    name: str
    queue: str
    retry_policy: RetryPolicyT
    converter: ConverterT
    timeout: timedelta | None = None
    retries: int | None = None
    retryable: Retryable = ALL
    atomic: bool = False
    schedule: Schedule | None = None
    injection: Injection | None = None
    run_in_process: bool = False
    is_async: bool = field(init=False)
    secrets: Secrets = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_async", inspect.iscoroutinefunction(self.fn))
        object.__setattr__(self, "secrets", Secrets.of(self.fn))

    @property
    def visible(self) -> Callable[..., Any]:
        """The function as its jobs see it: without the parameters that a worker fills."""
        return self.fn if self.injection is None else self.injection.visible

    @property
    def place(self) -> str:
        """Where the function stands, for messages to people."""
        code = getattr(self.fn, "__code__", None)
        line = "" if code is None else f" (line {code.co_firstlineno})"
        return f"{self.fn.__module__}.{self.fn.__qualname__}{line}"
