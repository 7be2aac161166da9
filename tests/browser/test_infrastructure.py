"""That the browser tests see what is wrong, and that they look at the real thing."""

from urllib.parse import quote

import pytest
from django.contrib.auth.models import User

from django_repid import Job
from tests.acceptance.kit import WorkerInProcess, eventually
from tests.browser.site import Look, Site, every_look, overflow

pytestmark = pytest.mark.browser

WRONG = {
    "a script that throws": ("throw new Error('loud')", "uncaught: loud"),
    "an error in the console": ("console.error('loud')", "console: loud"),
    "a page that is not there": ("fetch('/nothing-here/')", "404 for "),
    "a style that the policy forbids": (
        "document.body.setAttribute('style', 'color: red')",
        "Content Security Policy",
    ),
    "a stranger's server": ("fetch('http://127.0.0.1:9/x.js')", "violates"),
}


@pytest.mark.parametrize(("script", "complaint"), WRONG.values(), ids=WRONG)
def test_a_page_that_goes_wrong_fails_its_test(
    script: str, complaint: str, project: Site, boss: User
) -> None:
    page = project.page("/admin/", user=boss)
    assert project.complaints == []

    page.evaluate(f"() => {{ setTimeout(() => {{ {script} }}) }}")

    def has_come() -> bool:
        page.wait_for_timeout(20)  # events come only while Playwright waits
        return any(complaint in one for one in project.complaints)

    eventually(has_come)
    project.complaints.clear()


@every_look
def test_the_admin_is_shown_in_every_look(look: Look, project: Site, boss: User) -> None:
    page = project.page("/admin/", look, user=boss)

    dark = page.evaluate("() => matchMedia('(prefers-color-scheme: dark)').matches")
    assert page.evaluate("() => window.innerWidth") == {"wide": 1400, "narrow": 390}[look.size]
    assert dark == (look.scheme == "dark")
    assert overflow(page) == 0
    assert page.get_by_role("link", name="Jobs", exact=True).is_visible()
    project.picture(page, f"admin-{look}")


def test_a_job_that_a_real_worker_ran_is_found_in_the_admin(
    project: Site, worker: WorkerInProcess, boss: User
) -> None:
    job = Job("add", args={"a": 1, "b": 2})
    receipt = job.enqueue_sync()
    assert job.wait_sync(30).value == 3

    page = project.page(f"/admin/django_repid/message/?q={quote(receipt.key.id_)}", user=boss)

    assert "add(1, 2)" in page.locator("h1").inner_text()
