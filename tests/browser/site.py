"""A website as a browser sees it: pages of every size and colour, and what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pytest
from django.test import Client

if TYPE_CHECKING:  # Playwright is in a group of its own: these modules import without it.
    from pathlib import Path

    from django.contrib.auth.models import User
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response

SIZES = {"wide": (1400, 900), "narrow": (390, 844)}


@dataclass(frozen=True, slots=True)
class Look:
    """How a visitor looks at a page."""

    size: Literal["wide", "narrow"] = "wide"
    scheme: Literal["light", "dark"] = "light"

    def __str__(self) -> str:
        return f"{self.size}-{self.scheme}"


LOOKS = [
    Look("wide", "light"),
    Look("wide", "dark"),
    Look("narrow", "light"),
    Look("narrow", "dark"),
]

#: Run a test in all four; it takes `look`.
every_look = pytest.mark.parametrize("look", LOOKS, ids=str)


class Site:
    """A running server. What its pages complain of is collected, and fails the test at its end."""

    def __init__(self, url: str, browser: Browser, pictures: Path | None = None) -> None:
        self.url = url
        #: What went wrong so far. A test that means it to go wrong empties it, having looked.
        self.complaints: list[str] = []
        self._browser = browser
        self._pictures = pictures
        self._contexts: list[BrowserContext] = []

    def page(
        self,
        path: str = "/",
        look: Look | None = None,
        *,
        user: User | None = None,
        javascript: bool = True,
    ) -> Page:
        """Open a page as a new visitor, who may be signed in already."""
        look = look or Look()
        width, height = SIZES[look.size]
        context = self._browser.new_context(
            base_url=self.url,
            viewport={"width": width, "height": height},
            color_scheme=look.scheme,
            java_script_enabled=javascript,
            reduced_motion="reduce",
            locale="en-GB",
        )
        self._contexts.append(context)
        if user is not None:
            client = Client()
            client.force_login(user)
            cookie = client.cookies["sessionid"]
            context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": self.url}])
        page = context.new_page()
        self._listen(page)
        page.goto(path)
        return page

    def picture(self, page: Page, name: str, *, whole: bool = True) -> None:
        """Keep a picture of a page or of its window, where `--pictures` says that it is wanted."""
        if self._pictures is not None:
            self._pictures.mkdir(parents=True, exist_ok=True)
            page.evaluate("() => window.scrollTo(0, 0)")  # for what sticks to the window
            page.screenshot(path=self._pictures / f"{name}.png", full_page=whole)

    def close(self) -> None:
        """Close all pages: what they still ask for is nobody's any more."""
        for context in self._contexts:
            context.close()
        self._contexts.clear()

    def _listen(self, page: Page) -> None:
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        page.on("request", self._stay_at_home)
        page.on("requestfailed", self._fail)
        page.on("response", self._answer)

    def _hear(self, message: ConsoleMessage) -> None:
        """A violation of the CSP is an error in the console, too."""
        about_answer = message.text.startswith("Failed to load resource")  # `_answer` says more
        if message.type == "error" and not about_answer:
            self.complaints.append(f"console: {message.text}")

    def _stay_at_home(self, request: Request) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.complaints.append(f"asks a stranger: {request.url}")

    def _fail(self, request: Request) -> None:
        # Whoever follows a link does not wait for what the page was asking for.
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"{request.url}: {request.failure}")

    def _answer(self, response: Response) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.status} for {response.url}")


def overflow(page: Page) -> int:
    """Return by how many pixels a page can be scrolled sideways."""
    found = page.evaluate("() => document.scrollingElement.scrollWidth - window.innerWidth")
    return max(int(found), 0)
