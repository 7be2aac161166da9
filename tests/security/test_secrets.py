"""A secret on its way through the queue: stored plainly, given to the actor, shown to nobody."""

import json
import logging
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from pydantic import AliasChoices, BaseModel, Field, field_validator

from django_repid import (
    ArgsInvalid,
    BasicConverter,
    Connection,
    DatabaseBucketBroker,
    DatabaseMessageBroker,
    InvalidJob,
    Job,
    PydanticConverter,
    Router,
    Secret,
    discovery,
)
from django_repid.core.errors import ConfigurationError
from django_repid.core.redaction import Secrets
from django_repid.models import Bucket, Failure, Message
from tests.security import kit
from tests.security.kit import MODELS, burst, pages, superuser

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True)]

WORD = "hunter2secret"
seen: list[Any] = []


class Login(BaseModel):
    user: str
    password: str

    @field_validator("password")
    @classmethod
    def repeats(cls, value: str) -> str:
        if value.startswith("bad"):
            raise ValueError(f"{value} is too weak")
        return value


def marked(pin: Annotated[str, Secret], user: str = "") -> str:
    seen.append(pin)
    return user


def number(pin: Annotated[int, Secret]) -> None: ...
def model(login: Login) -> None: ...
def mapping(pins: Annotated[dict[str, int], Secret]) -> None: ...
def returning() -> Annotated[str, Secret]:
    return WORD


def returning_a_token() -> dict[str, str]:
    return {"access_token": WORD, "pin": WORD, "user": "lovelace"}


def returning_a_wrong_one() -> Annotated[int, Secret]:
    return WORD  # type: ignore[return-value]  # the mistake under test


@pytest.fixture(autouse=True)
def router(monkeypatch: pytest.MonkeyPatch) -> Router:
    """Register the actors, and have the admin's process know them."""
    made = Router()
    for fn in (marked, number, model, mapping, returning, returning_a_token, returning_a_wrong_one):
        made.actor(fn)
    made.actor(name="basic", converter=BasicConverter)(marked)
    monkeypatch.setattr(discovery, "_found", made)
    seen.clear()
    return made


def admin_html() -> str:
    client = superuser()
    found = []
    ours = ["/admin/django_repid/", "/admin/django_repid/schedule/"]
    for address in [*ours, *(page for name in MODELS for page in pages(name))]:
        answer = client.get(address)
        assert answer.status_code == 200
        found.append(answer.content.decode())
    return "".join(found)


def kept() -> str:
    """Return what is kept as text about failures."""
    rows: list[Any] = [*Failure.objects.values_list("exception", "text", "traceback")]
    rows += Message.objects.values_list("dead_reason")
    rows += Bucket.objects.filter(success=False).values_list("data")
    return repr(rows)


CASES = {
    "it succeeds": ("marked", {"pin": WORD, "user": "lovelace"}),
    "the other converter": ("basic", {"pin": WORD, "user": "lovelace"}),
    "a name it does not know": ("marked", {"pin": WORD, "password2": WORD}),
    "a name the other converter does not know": ("basic", {"pin": WORD, "my_token": WORD}),
    "the wrong kind": ("number", {"pin": WORD}),
    "a number that is too long": ("number", {"pin": f"9{WORD}" * 100}),
    "the wrong kind under a secret": ("mapping", {"pins": {WORD: "x"}}),
    "in a model": ("model", {"login": {"user": "lovelace", "password": WORD}}),
    "in a model, of the wrong kind": ("model", {"login": {"user": 1, "password": [WORD]}}),
    "a validator repeats it": ("model", {"login": {"user": "", "password": f"bad{WORD}"}}),
    "a missing one": ("number", {"password": WORD}),
}


@pytest.mark.parametrize(("topic", "args"), CASES.values(), ids=list(CASES))
@pytest.mark.parametrize("run", [True, False], ids=["run", "waiting"])
@pytest.mark.parametrize("in_bucket", [False, True], ids=["in the message", "in a bucket"])
def test_a_secret_argument_is_shown_nowhere(
    topic: str, args: Any, *, run: bool, in_bucket: bool, router: Router, caplog: Any
) -> None:
    results = DatabaseBucketBroker(use_result_bucket=True)
    there = Connection(DatabaseMessageBroker(), DatabaseBucketBroker(), results)
    with caplog.at_level(logging.DEBUG):
        job = Job(topic, args=args, connection=there, use_args_bucketer=in_bucket)
        receipt = job.enqueue_sync()
        if run:
            burst(router)

        html = admin_html()

    assert WORD in receipt.payload  # stored plainly: an actor needs it
    assert WORD not in html
    assert "********" in html or in_bucket or topic == "mapping"
    assert WORD not in caplog.text
    assert WORD not in kept()
    assert WORD not in repr([job, receipt, job.order(), job.result_sync()])


def test_the_actor_gets_the_secret_itself(router: Router) -> None:
    Job("marked", args={"pin": WORD}).enqueue_sync()
    burst(router)

    assert seen == [WORD]


@pytest.mark.parametrize("topic", ["returning", "returning_a_token", "returning_a_wrong_one"])
def test_a_secret_result_is_shown_nowhere(topic: str, router: Router, caplog: Any) -> None:
    """`pin` is an argument of `marked`, whose arguments this result may be."""
    with caplog.at_level(logging.DEBUG):
        Job(topic).enqueue_sync()
        burst(router)

        html = admin_html()

    assert WORD not in html
    assert WORD not in caplog.text
    assert WORD not in kept()
    assert ("lovelace" in html) == (topic == "returning_a_token")


def test_an_exception_that_repeats_a_secret_is_kept_without_it(
    router: Router, caplog: pytest.LogCaptureFixture
) -> None:
    @router.actor
    def call(pin: Annotated[str, Secret], api_key: str) -> None:
        try:
            raise KeyError(pin)
        except KeyError as error:
            raise OSError(f"401 for https://example.org/?key={api_key}") from error

    with caplog.at_level(logging.DEBUG):
        Job("call", args={"pin": WORD, "api_key": f"{WORD}2"}).enqueue_sync()
        burst(router)

    assert "401 for https://example.org/?key=********" in kept()
    assert WORD not in kept() + caplog.text + admin_html()


def test_secret_headers_are_shown_nowhere(router: Router, caplog: Any) -> None:
    headers = {"Authorization": f"Bearer {WORD}", "x-api-key": WORD, "tenant": "acme"}
    with caplog.at_level(logging.DEBUG):
        job = Job("nobody", headers=headers)
        receipt = job.enqueue_sync()

        html = admin_html()

    assert WORD not in html + caplog.text + repr([job, receipt, job.order()])
    assert "acme" in html


def test_arguments_of_an_actor_that_this_process_lacks_are_hidden_by_name() -> None:
    kit.message("elsewhere", payload=json.dumps({"token": WORD, "user": "lovelace"}))
    kit.bucket(topic="elsewhere", payload=json.dumps({"x": [{"password": WORD}], "user": "bob"}))

    html = admin_html()

    assert WORD not in html
    assert "lovelace" in html
    assert "bob" in html


def test_arguments_in_a_bucket_are_hidden_by_every_actors_marks() -> None:
    """A bucket of arguments does not say for whom it is."""
    data = json.dumps({"pin": WORD, "user": "lovelace"})
    kit.bucket(kind=Bucket.Kind.ARGUMENTS, success=None, topic=None, data=data)

    html = admin_html()

    assert WORD not in html
    assert "lovelace" in html


@pytest.mark.parametrize(
    "payload",
    [
        *[WORD, f'{{"password":"{WORD}"', f'["{WORD}"]', f'"{WORD}"', f"{{'pin':'{WORD}'}}"],
        "[" * 50_000 + f'"{WORD}"' + "]" * 50_000,
    ],
    ids=["text", "cut off", "list", "string", "no JSON", "too deep"],
)
def test_of_what_cannot_be_read_nothing_is_shown(payload: str) -> None:
    kit.message("marked", payload=payload, headers=payload)
    kit.bucket(topic="marked", payload=payload)
    kit.bucket(kind=Bucket.Kind.ARGUMENTS, success=None, topic=None, data=payload)

    html = admin_html()

    assert WORD not in html
    assert html.count("It cannot be read") == 4


@pytest.mark.parametrize("payload", [f"{WORD}", f'["{WORD}"]', f'{{"pin":"{WORD}"'])
@pytest.mark.parametrize("topic", ["marked", "basic"])
def test_what_is_no_object_of_json_is_not_repeated(
    payload: str, topic: str, router: Router, caplog: Any
) -> None:
    kit.message(topic, payload=payload)
    with caplog.at_level(logging.DEBUG):
        burst(router)

    assert Failure.objects.get().exception == "ArgsInvalid"
    assert WORD not in kept() + caplog.text


def test_where_the_tasks_do_not_import_every_argument_is_hidden(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def explode() -> None:
        raise ConfigurationError("shop.tasks does not import")

    kit.message("marked", payload=json.dumps({"pin": WORD}))
    kit.bucket(topic="marked", data=json.dumps({"pin": WORD}), payload=json.dumps({"pin": WORD}))
    kit.bucket(kind=Bucket.Kind.ARGUMENTS, success=None, topic=None, data=json.dumps({"pin": WORD}))
    monkeypatch.setattr(discovery, "router", explode)

    assert WORD not in admin_html()


def refused(make: Callable[[], Any]) -> str:
    """Return all that a refusal says, its causes included."""
    with pytest.raises(InvalidJob) as caught:
        make()
    text = "".join(kit.told(caught.value))
    assert text
    return text


class Opaque:
    def __repr__(self) -> str:
        return WORD


@pytest.mark.parametrize(
    "terms",
    [
        {"args": {"password": Opaque()}},
        {"args": {"password": WORD.encode()}},
        {"args": WORD},
        {"args": [WORD]},
        {"args": {"password": f"{WORD}\0"}},
        {"args": {"password": WORD * 100_000}},
        {"headers": {"authorization": WORD.encode()}},
        {"headers": [WORD]},
        {"headers": {"authorization": f"{WORD}\0"}},
        {"headers": {"authorization": WORD * 1000}},
    ],
    ids=lambda terms: f"{repr(terms)[:40]}…{len(repr(terms))}",
)
def test_a_job_that_is_refused_does_not_repeat_what_it_was_given(terms: Any) -> None:
    assert WORD not in refused(lambda: Job("marked", **terms))


@pytest.mark.parametrize("fn", [number, mapping])
def test_a_bound_call_that_is_refused_does_not_repeat_it(fn: Any) -> None:
    assert WORD not in refused(lambda: Job.of(fn, {WORD: WORD}))


def test_a_users_own_serializer_may_not_know_but_ours_names_the_type() -> None:
    assert "Opaque has no form in JSON" in refused(lambda: Job("marked", args={"a": Opaque()}))


def test_pydantic_shows_no_input_even_to_whoever_follows_the_context() -> None:
    with pytest.raises(Exception, match="pin") as caught:
        PydanticConverter(number).convert_inputs(json.dumps({"pin": WORD}))

    assert caught.value.__suppress_context__
    assert WORD not in str(caught.value)


def test_a_mark_holds_for_the_aliases_of_a_parameter_too() -> None:
    choices: Any = Field(validation_alias=AliasChoices("cipher", "cypher"))

    def fn(
        pin: Annotated[str, Secret, Field(alias="number")], key: Annotated[str, Secret] = choices
    ) -> None: ...

    marks = Secrets.of(fn)
    assert {"pin", "number", "key", "cipher", "cypher"} == marks.named
    with pytest.raises(ArgsInvalid) as caught:
        PydanticConverter(fn).convert_inputs('{"number":["hunter2"],"cypher":{"hunter2":1}}')
    assert "hunter2" not in str(caught.value)
