"""Duties on threads, and what they do about errors."""

import logging
import threading
from contextlib import nullcontext

import pytest

from django_repid import BrokerUnavailable
from django_repid.worker import service as service_module
from django_repid.worker.service import Service


class Duty:
    """Raises what it is given, one after the other, and is done after that."""

    name = "janitor"

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.done = threading.Event()

    def run_once(self) -> float:
        if self._errors:
            raise self._errors.pop(0)
        self.done.set()
        return 60.0


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "OUTAGE_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(service_module, "ERROR_PAUSE_SECONDS", 0.0)


def test_an_outage_is_said_once_and_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    duty = Duty(BrokerUnavailable("gone"), BrokerUnavailable("gone"), BrokerUnavailable("gone"))
    service = Service(duty, nullcontext)

    with caplog.at_level(logging.WARNING, "django_repid"):
        service.start()
        assert duty.done.wait(10)
    service.stop()

    assert caplog.text.count("gone") == 1


def test_an_error_of_its_own_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    duty = Duty(ZeroDivisionError("a bug"))
    service = Service(duty, nullcontext)

    with caplog.at_level(logging.ERROR, "django_repid"):
        service.start()
        assert duty.done.wait(10)
    service.stop()

    assert "a bug" in caplog.text
