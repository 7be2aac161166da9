"""What the page shows: a button, and the very code that runs when it is pressed."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from shop import desk, tasks

#: What is said to linters only.
_NOTES = re.compile(r"  # (noqa|type: ignore).*")


@dataclass(frozen=True, slots=True)
class Code:
    """A function as it is written."""

    title: str
    kind: str
    html: SafeString

    @classmethod
    def of(cls, function: Callable[..., Any]) -> "Code":
        actor = tasks.router.actors.get(function.__name__)
        is_actor = actor is not None and actor.fn is function
        kind = "async" if inspect.iscoroutinefunction(function) else "sync"
        kind += " actor" if is_actor else " view"
        if is_actor and actor is not None and actor.run_in_process:
            kind += ", in a process"
        source = _NOTES.sub("", inspect.getsource(function))
        html = highlight(source, PythonLexer(), HtmlFormatter(nowrap=True))
        file = function.__module__.replace(".", "/")
        return cls(f"{file}.py", kind, mark_safe(html))  # noqa: S308 - of our own source


@dataclass(frozen=True, slots=True)
class Button:
    label: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Exhibit:
    slug: str
    title: str
    text: str
    functions: tuple[Callable[..., Any], ...]
    buttons: tuple[Button, ...] = ()
    form: str = ""
    codes: list[Code] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.codes.extend(map(Code.of, self.functions))

    @property
    def url(self) -> str:
        return reverse(self.slug)


EXHIBITS = [
    Exhibit(
        "order",
        "Order, and get a mail",
        "The order and the job are written in one transaction: both, or neither.",
        (desk.order, tasks.send_receipt),
        (Button("Order a kettle"),),
    ),
    Exhibit(
        "order_in_vain",
        "Roll back",
        "The same, but then the transaction fails. There is no order, and there never was a job.",
        (desk.order_in_vain,),
        (Button("Order 99 knives"),),
    ),
    Exhibit(
        "upload",
        "Import a file",
        "A sync actor imports it row by row and reports. If its worker is killed, another one "
        "runs the job again.",
        (desk.upload, tasks.import_products),
        (Button("Upload and import"),),
        "upload",
    ),
    Exhibit(
        "thumbnail",
        "Shrink a picture",
        "Work for the CPU goes to a warm child process, so that it slows nobody down. Without a "
        "picture of yours it takes a poster of the shop’s.",
        (desk.thumbnail, tasks.make_thumbnail),
        (Button("Make a thumbnail"),),
        "picture",
    ),
    Exhibit(
        "fetch",
        "Fetch prices",
        "An async view asks an async actor, which asks a slow supplier for five prices at once.",
        (desk.fetch, tasks.fetch_prices),
        (Button("Fetch five prices"),),
    ),
    Exhibit(
        "check_shelves",
        "A hundred at once",
        "Enqueued in one go. They would take four minutes one after another; on one event loop "
        "they wait together.",
        (desk.check_shelves, tasks.check_shelf),
        (Button("Check 100 shelves"),),
    ),
    Exhibit(
        "fail",
        "Fail, and be retried",
        "An actor with two retries, two and three seconds after a failure.",
        (desk.fail, tasks.flaky),
        (Button("Fail twice, then succeed"), Button("Fail at every try", "always")),
    ),
    Exhibit(
        "chain",
        "Chain two jobs",
        "Both are enqueued together; the second takes the first one’s result as its arguments.",
        (desk.chain, tasks.add_hello, tasks.add_id),
        (Button("Chain add_hello and add_id"),),
    ),
    Exhibit(
        "take_stock",
        "Start, and think again",
        "A job of five minutes, with a button beside it that cancels it.",
        (desk.take_stock, tasks.take_stock, desk.cancel),
        (Button("Take stock"),),
    ),
    Exhibit(
        "till",
        "Every minute",
        "This actor brings its schedule along: while a worker knows it, it runs. What it counted "
        "last stands above your jobs.",
        (tasks.count_till,),
    ),
]
