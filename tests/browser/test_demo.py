"""Every button of the example project, as a visitor presses it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

from tests.acceptance.kit import ROOT
from tests.browser.site import Look, Site, every_look, overflow

if TYPE_CHECKING:  # It is in a group of its own, and may be absent.
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

SAMPLES = ROOT / "testproject" / "samples"


def newest(page: Page) -> Locator:
    return page.locator(".jobs > li").first


def press(page: Page, label: str, ends: str = "done") -> Locator:
    """Press a button, wait until the newest job is in that state, and return it."""
    from playwright.sync_api import expect

    states = page.locator(".jobs .state")
    before = states.count()
    page.get_by_role("button", name=label, exact=True).click()
    one = newest(page)
    expect(states).not_to_have_count(before)
    expect(one.locator(".state")).to_contain_text(ends)
    return one


def orders_in_the_admin(shop: Site) -> int:
    page = shop.page("/admin/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill("admin")
    page.get_by_role("button", name="Log in").click()
    page.goto("/admin/shop/order/")
    count = re.search(r"(\d+) order", page.locator(".paginator").inner_text())
    assert count is not None
    return int(count[1])


@every_look
def test_the_page_before_anything_has_happened(look: Look, shop: Site) -> None:
    page = shop.page("/", look)

    assert page.get_by_text("Start one, and watch it here.").is_visible()
    assert overflow(page) == 0
    shop.picture(page, f"demo-{look}")


def test_an_order_sends_a_mail(shop: Site) -> None:
    one = press(shop.page(), "Order a kettle")

    assert "alex@example.com" in one.inner_text()
    assert "1 × Enamel kettle" in one.inner_text()


def test_a_mail_is_a_file(shop: Site, shop_folder: Path) -> None:
    before = len(list(shop_folder.glob("emails/*")))

    press(shop.page(), "Order a kettle")

    assert len(list(shop_folder.glob("emails/*"))) == before + 1


def test_what_is_rolled_back_leaves_neither_an_order_nor_a_job(shop: Site) -> None:
    before = orders_in_the_admin(shop)

    one = press(shop.page(), "Order 99 knives", "no such job: rolled back")

    assert "99 knives" in one.inner_text()
    assert orders_in_the_admin(shop) == before


def test_a_file_is_imported_and_its_bad_rows_are_listed(shop: Site) -> None:
    page = shop.page()
    page.get_by_label("Product list (CSV)").set_input_files(SAMPLES / "products.csv")

    one = press(page, "Upload and import")

    assert "4 bad rows" in one.inner_text()
    assert one.locator("tbody tr").count() == 4


def test_the_sample_can_be_downloaded(shop: Site) -> None:
    page = shop.page()

    with page.expect_download() as download:
        page.get_by_role("link", name="Take the sample").click()

    assert Path(download.value.path()).read_bytes() == (SAMPLES / "products.csv").read_bytes()


def test_a_file_that_is_no_list_is_refused_with_the_reason(shop: Site, tmp_path: Path) -> None:
    (wrong := tmp_path / "wrong.csv").write_text("a,b\n1,2\n")
    page = shop.page()
    page.get_by_label("Product list (CSV)").set_input_files(wrong)

    page.get_by_role("button", name="Upload and import").click()

    assert "missing: sku, name, price, stock" in page.get_by_role("alert").inner_text()
    assert page.locator(".jobs .state").count() == 0
    assert [one[:3] for one in shop.complaints] == ["422"]
    shop.complaints.clear()


def test_a_picture_is_shrunk_in_a_process(shop: Site) -> None:
    one = press(shop.page(), "Make a thumbnail")

    assert "3000 × 2000 became 560 × 373" in one.inner_text()
    picture = one.get_by_alt_text("The thumbnail")
    assert picture.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 560


def test_what_is_no_picture_is_refused(shop: Site) -> None:
    page = shop.page()
    page.get_by_label("A picture of yours").set_input_files(SAMPLES / "products.csv")

    page.get_by_role("button", name="Make a thumbnail").click()

    assert "not a picture that can be read" in page.get_by_role("alert").inner_text()
    assert [one[:3] for one in shop.complaints] == ["422"]
    shop.complaints.clear()


def test_five_prices_are_asked_for_at_once(shop: Site) -> None:
    one = press(shop.page(), "Fetch five prices")

    assert len(re.findall(r'": "\d+\.\d\d"', one.inner_text())) == 5


def test_a_hundred_shelves_are_checked_while_the_page_shows_how_far_it_is(shop: Site) -> None:
    page = shop.page()
    seen: list[str] = []

    def note(text: str) -> None:
        seen.append(text)

    page.expose_function("note", note)
    page.evaluate("""() => new MutationObserver(() => {
        const text = document.querySelector('.progress')?.textContent.trim();
        if (text) window.note(text);
    }).observe(document.getElementById('news'), { childList: true })""")

    one = press(page, "Check 100 shelves")

    assert "100 of 100" in one.inner_text()
    assert any(text != "100 of 100" for text in seen), seen


def test_a_job_that_fails_is_tried_again_until_it_succeeds(shop: Site) -> None:
    page = shop.page()

    one = press(page, "Fail twice, then succeed", "will be retried at")
    assert "1 failed attempt" in one.inner_text()
    one.get_by_text("The supplier answered at try 3.").wait_for()

    assert "2 failed attempts" in one.inner_text()


def test_a_job_that_fails_at_every_try_says_why(shop: Site) -> None:
    one = press(shop.page(), "Fail at every try", "failed")

    assert "ConnectionError: The supplier did not answer (try 3)." in one.inner_text()
    assert "3 failed attempts" in one.inner_text()


def test_the_result_of_one_job_is_the_arguments_of_the_next(shop: Site) -> None:
    one = press(shop.page(), "Chain add_hello and add_id")

    assert "Your id is 123." in one.inner_text()


def test_a_job_that_runs_is_cancelled(shop: Site) -> None:
    page = shop.page()
    one = press(page, "Take stock", "running")

    one.get_by_role("button", name="Cancel").click()

    one.locator(".state", has_text="failed").wait_for()
    assert "Cancelled" in one.inner_text()
    assert one.get_by_role("button").count() == 0


def test_buttons_that_are_pressed_at_once_all_have_their_job(shop: Site) -> None:
    from playwright.sync_api import expect

    page = shop.page()

    page.evaluate("""() => {
        for (const button of document.querySelectorAll('#order button, #fetch button')) {
            button.click();
        }
    }""")

    expect(page.locator(".jobs .state")).to_have_count(2)
    expect(page.locator(".jobs .good")).to_have_count(2)


def test_nobody_cancels_the_job_of_another(shop: Site) -> None:
    page = shop.page()
    id_ = press(page, "Take stock", "running").locator(".id").inner_text()
    stranger = shop.page()

    stranger.evaluate(
        """(id) => {
            const form = document.getElementById('cancel');
            const field = Object.assign(document.createElement('input'), {name: 'id', value: id});
            form.append(field);
            return fetch(form.action, {method: 'POST', body: new FormData(form)});
        }""",
        id_,
    )

    with page.expect_response("**/jobs/"):
        pass
    assert newest(page).locator(".state").inner_text() == "running"
    newest(page).get_by_role("button", name="Cancel").click()
    newest(page).get_by_text("Cancelled").wait_for()


def test_the_till_is_counted_although_nobody_asks(shop: Site) -> None:
    shop.page().get_by_text("The till was counted at").wait_for(timeout=75_000)


def test_everything_works_without_javascript(shop: Site) -> None:
    page = shop.page(javascript=False)

    assert page.locator("noscript p").is_visible()
    page.get_by_role("button", name="Order a kettle").click()
    while "done" not in newest(page).inner_text():
        page.wait_for_timeout(200)
        page.reload()

    assert "1 × Enamel kettle" in newest(page).inner_text()


def test_beside_each_button_is_the_code_that_it_runs(shop: Site) -> None:
    page = shop.page()

    for exhibit in page.locator(".exhibit").all():
        codes = exhibit.locator("pre").all_inner_texts()
        assert codes
        assert all("def " in code for code in codes)
    mail = page.locator("#order pre").all_inner_texts()
    assert "enqueue_sync()  # commits with the order" in mail[0]
    assert mail[1].startswith('@router.actor(queue="mail"')
    assert "async view" in page.locator("#fetch").inner_text()


def test_a_job_leads_to_the_admin(shop: Site) -> None:
    page = shop.page()
    press(page, "Fetch five prices").locator(".id a").click()
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill("admin")

    page.get_by_role("button", name="Log in").click()

    page.get_by_role("heading", name="fetch_prices").wait_for()


def test_the_icon_is_there(shop: Site) -> None:
    page = shop.page()

    icon = page.locator("link[rel=icon]").evaluate("(link) => link.href")

    with urlopen(icon) as answer:
        assert answer.headers["Content-Type"] == "image/svg+xml"


@every_look
def test_the_page_when_much_has_happened(look: Look, shop: Site) -> None:
    from playwright.sync_api import expect

    page = shop.page("/", look)
    page.get_by_label("Product list (CSV)").set_input_files(SAMPLES / "products.csv")
    for label in ("Upload and import", "Order 99 knives"):
        press(page, label, "")
    press(page, "Order a kettle")
    press(page, "Make a thumbnail")
    press(page, "Take stock", "running")
    press(page, "Fail at every try", "will be retried at")
    press(page, "Check 100 shelves", "running")
    expect(newest(page).locator(".progress")).to_contain_text(re.compile(r"[1-9]\d? of 100"))

    assert overflow(page) == 0
    shop.picture(page, f"demo-window-{look}", whole=False)
    shop.picture(page, f"demo-busy-{look}")
    stock = page.locator(".jobs > li", has_text="Take stock")
    stock.get_by_role("button", name="Cancel").click()
    stock.get_by_text("Cancelled").wait_for()
