"""What the tests of security share: rows as an attacker would write them, and pages taken apart."""

from html.parser import HTMLParser
from traceback import TracebackException
from typing import Any

from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission, User
from django.test import Client

from django_repid.core import clock
from django_repid.core.codec import Spec
from django_repid.models import Bucket, Failure, Message, Queue, WorkerProcess
from tests.database.test_worker import burst

__all__ = ["Bucket", "Permission", "burst"]

MODELS: dict[str, Any] = {
    "message": Message,
    "bucket": Bucket,
    "failure": Failure,
    "workerprocess": WorkerProcess,
    "queue": Queue,
}

BASE = "/admin/django_repid"
#: Models that have pages, and the column that the addresses of their rows are made of.
PAGES = {"message": "message_id", "bucket": "bucket_id", "workerprocess": None, "queue": "name"}


def message(topic: str = "nobody", **fields: Any) -> Message:
    """Write a message past all checks, as who can write to the table does."""
    now = clock.now_us()
    given: dict[str, Any] = {
        "message_id": f"written-{Message.objects.count()}",
        "queue": "default",
        "topic": topic,
        "priority": 5,
        "state": Message.State.READY,
        "run_at": now,
        "due_at": now,
        "enqueued_at": now,
        "lease": 0,
        "tries": 0,
        "crashes": 0,
        "suspicion": 0,
        "cancel_asked": False,
        "args_generated": False,
        "payload": "{}",
        "dead_reason": "",
        "spec": Spec.write(now, result_id=f"result-{Message.objects.count()}").text,
        "headers": "",
    }
    return Message.objects.create(**{**given, **fields})


def bucket(**fields: Any) -> Bucket:
    """Write a bucket past all checks; a result unless said otherwise."""
    given: dict[str, Any] = {
        "bucket_id": f"bucket-{Bucket.objects.count()}",
        "kind": Bucket.Kind.RESULT,
        "generated": False,
        "data": "null",
        "stored_at": clock.now_us(),
        "started_ns": 1,
        "finished_ns": 2,
        "success": True,
        "topic": "nobody",
    }
    return Bucket.objects.create(**{**given, **fields})


def failure(**fields: Any) -> Failure:
    """Write a failure past all checks."""
    given: dict[str, Any] = {
        "message_key": 1,
        "message_id": "failed",
        "topic": "nobody",
        "queue": "default",
        "worker": "someone",
        "number": 1,
        "lease": 1,
        "failed_at": clock.now_us(),
        "duration_us": 1,
        "exception": "ValueError",
        "fingerprint": "",
        "text": "no",
        "traceback": "Traceback",
    }
    return Failure.objects.create(**{**given, **fields})


def worker_process(**fields: Any) -> WorkerProcess:
    """Write a worker past all checks."""
    given: dict[str, Any] = {
        "name": "someone",
        "beat": 1,
        "beat_at": clock.now_us(),
        "started_at": clock.now_us(),
        "draining": False,
        "host": "nowhere",
        "boot_id": "",
        "pid": 1,
        "pid_started": "",
        "queues": "default",
        "topics": "nobody",
        "version": "0",
    }
    return WorkerProcess.objects.create(**{**given, **fields})


def person(*actions: str, csrf: bool = False) -> Client:
    """Return a member of staff, logged in, who has these permissions on all that is ours."""
    user = User.objects.create_user(f"user-{User.objects.count()}", is_staff=True)
    wanted = [f"{action}_{name}" for action in actions for name in MODELS]
    found = Permission.objects.filter(content_type__app_label="django_repid", codename__in=wanted)
    assert found.count() == len(wanted)
    user.user_permissions.set(found)
    client = Client(enforce_csrf_checks=csrf)
    client.force_login(user)
    return client


def superuser(*, csrf: bool = False) -> Client:
    """Return a superuser, logged in."""
    client = Client(enforce_csrf_checks=csrf)
    client.force_login(User.objects.create_superuser(f"root-{User.objects.count()}"))
    return client


def pages(name: str) -> list[str]:
    """Return the addresses of the pages of a model: of its list, and of its rows if they have one.

    Workers have none; failures are on the pages of their jobs.
    """
    if name not in PAGES:
        return []
    key = PAGES[name]
    ids = [] if key is None else MODELS[name].objects.values_list(key, flat=True)
    return [f"{BASE}/{name}/", *[address(name, id_) for id_ in ids]]


def address(name: str, id_: str) -> str:
    """Return the address of the page of a row."""
    return f"{BASE}/{name}/{quote(id_)}/change/"


def all_rows() -> dict[str, list[dict[str, Any]]]:
    """Return every row of ours, to be compared."""
    return {name: list(model.objects.order_by("pk").values()) for name, model in MODELS.items()}


class Parsed(HTMLParser):
    """A page taken apart: its elements, their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self._inside = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        self.elements.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        (self.scripts if self._inside in ("script", "style") else self.words).append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)


def told(error: BaseException) -> list[str]:
    """Return an exception as a traceback tells it, without the lines of source."""
    found = TracebackException.from_exception(error, lookup_lines=False)
    for one in (found, found.__cause__, found.__context__):
        if one is not None:
            one.stack.clear()
    return list(found.format())
