"""Stored text is text on every page of the admin, whatever it holds."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from django_repid.core.codec import Spec
from django_repid.core.schedule import Schedule
from django_repid.models import Message
from tests.security import kit
from tests.security.kit import MODELS, PAGES, Parsed, pages, superuser

pytestmark = pytest.mark.django_db

EVIL = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "</pre></td></table><b>bold</b>",
    "<!--",
    "{{ 7|add:7 }}{% csrf_token %}",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "javascript:alert(1)//",
    "</script><script>alert(1)</script>",
]


def write(text: str) -> None:
    """Write a row of each kind that holds the text in every column that takes one."""
    data = json.dumps({text: [text, {text: text}]})
    of_job = {"topic": text, "queue": text, "message_id": text, "headers": json.dumps({text: text})}
    common = {"args_id": text, "spec": data, "payload": data}
    kit.message(**of_job, **common, waits_for=text, dead_reason=text, state=Message.State.DEAD)
    history = {**of_job, **common, "worker": text, "exception": text}
    kit.bucket(**history, bucket_id=text, data=data)
    kit.bucket(**history, bucket_id=f"{text}2", data=text, success=False)
    kit.bucket(**history, bucket_id=f"{text}3", data=json.dumps(text))
    kit.bucket(kind=kit.Bucket.Kind.ARGUMENTS, bucket_id=f"{text}4", data=data, success=None)
    del of_job["headers"]
    kit.failure(**of_job, worker=text, exception=text, fingerprint=text, text=text, traceback=text)
    kit.worker_process(name=text, host=text, version=text, queues=text, topics=text, boot_id=text)
    MODELS["queue"].objects.create(name=text, paused_at=1, paused_by=text, pause_reason=text)
    schedule = Spec.write(0, again=Schedule(cron=text, zone=text), result_id=text)
    kit.message(
        topic=text, queue=text, message_id=f"{text}5", tick=1, spec=schedule.text,
        state=Message.State.DEAD, dead_reason=text,
    )  # fmt: skip


def skeleton(page: Parsed) -> list[Any]:
    """Return what a page is made of, without its words and the values of its attributes."""
    return [page.elements, [(tag, name) for tag, name, _ in page.attributes], len(page.scripts)]


def looked_at(name: str) -> list[Parsed]:
    client = superuser()
    found = []
    for address in pages(name):
        answer = client.get(address)
        assert answer.status_code == 200
        found.append(Parsed(answer.content.decode()))
    return found


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("evil", EVIL)
def test_markup_in_a_row_changes_no_page(name: str, evil: str) -> None:
    write(" ".join("no!" for _ in evil.split()))  # as many words, and no name of a queue either
    expected = [skeleton(page) for page in looked_at(name)]
    for model in MODELS.values():
        model.objects.all().delete()

    write(evil)
    seen = looked_at(name)

    assert [skeleton(page) for page in seen] == expected
    for page in seen:
        assert not any(attribute.startswith("on") for _, attribute, _ in page.attributes)
        targets = [value for _, name, value in page.attributes if name in ("href", "src", "action")]
        assert not any(target.lower().startswith("javascript:") for target in targets)
        assert not any("alert(1)" in script for script in page.scripts)


@pytest.mark.parametrize("name", PAGES)
def test_the_text_itself_is_shown(name: str) -> None:
    """Else the test above would prove nothing."""
    evil = EVIL[1]
    write(evil)

    assert all(evil in page.text or evil in str(page.attributes) for page in looked_at(name))


def test_all_of_a_jobs_texts_are_on_its_page_as_text() -> None:
    write(EVIL[0])
    row = Message.objects.get(tick=None)

    page = Parsed(superuser().get(kit.address("message", row.message_id)).content.decode())

    # topic, id, queue, what it waits for, why it is dead, args_id; arguments, terms, headers.
    assert page.text.count(EVIL[0]) >= 6 + 4 + 4 + 2


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("name", ["message", "bucket"])
def test_markup_in_a_search_is_text(name: str, evil: str) -> None:
    client = superuser()

    def kinds(text: str) -> tuple[set[Any], list[str]]:
        """Return what a page is made of, however many terms and problems of a search it tells."""
        answer = client.get(f"/admin/django_repid/{name}/?{urlencode({'q': text})}")
        page = Parsed(answer.content.decode())
        names = {(tag, attribute) for tag, attribute, _ in page.attributes}
        return {*page.elements, *names}, page.scripts

    expected, scripts = kinds("harmless n!")
    found, found_scripts = kinds(evil)
    assert found <= expected
    assert found_scripts == scripts


AWKWARD = {
    "deep": "[" * 100_000 + "]" * 100_000,
    "deep in an object": '{"a":' * 50_000 + "1" + "}" * 50_000,
    "as deep as can be read": '{"a":' + "[" * 300 + "]" * 300 + "}",
    "a huge number": '{"a":' + "9" * 10_000 + "}",
    "not a number": '{"a":NaN,"b":-Infinity}',
    "a lone surrogate": '{"a":"\\ud800"}',
    "a NUL": '{"a":"\\u0000"}',
    "the same name twice": '{"a":1,"a":2}',
    "wide and deep": '{"a":' + "[" * 200 + "0" + ",0" * 100_000 + "]" * 200 + "}",
    "no JSON": "{'a': 1}",
    "long": json.dumps({"a": "x" * 900_000}),
    "right to left": '{"a":"\u202e\u2066 evil"}',
    "controls": '{"a":"\\u001b[31m\\r\\n\\u0007"}',
}


@pytest.mark.parametrize("text", AWKWARD.values(), ids=list(AWKWARD))
def test_no_text_breaks_a_page_or_makes_it_large(text: str) -> None:
    kit.message(payload=text, spec=text, headers=text)
    kit.bucket(payload=text, data=text)
    kit.bucket(kind=kit.Bucket.Kind.ARGUMENTS, data=text, success=None)
    kit.bucket(data=text, success=False)
    kit.failure(text="no", traceback=text)
    client = superuser()

    for name in ("message", "bucket"):
        for address in pages(name):
            answer = client.get(address)
            assert answer.status_code == 200
            assert len(answer.content) < 250_000


@pytest.mark.parametrize("moment", [2**62, -(2**62), 253402300799_000000, -62135596800_000000, 0])
def test_no_moment_breaks_a_page(moment: int, settings: Any) -> None:
    """`deferred_until` may be the last second of the year 9999, which is later than that here."""
    kit.message(run_at=moment, due_at=moment, enqueued_at=moment, claimed_at=moment)
    kit.bucket(stored_at=moment, expires_at=abs(moment) or 2**62)
    kit.failure(failed_at=moment, message_id="written-0")
    kit.worker_process(started_at=moment)
    MODELS["queue"].objects.create(name="mail", paused_at=moment)
    client = superuser()

    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        settings.TIME_ZONE = zone
        for name in MODELS:
            for address in pages(name):
                assert client.get(address).status_code == 200
