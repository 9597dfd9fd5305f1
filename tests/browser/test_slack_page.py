"""The page of `likeness local-slack` as somebody uses it who tries the bot: in a browser, with the preview engine behind it.

With --write-screenshots its pictures become those of docs/slack.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.pages import local_page, opened_page, pictures, say, screenshot

Shoot = Callable[[Page, str], None]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a page with the bot and a worker behind it, as the command starts them."""
    with local_page("slack", tmp_path_factory.mktemp("local")) as address:
        yield address


@pytest.fixture
def page(chromium: Browser, local: str) -> Iterator[Page]:
    """A page that has opened the address; it fails the test when its console shows an error."""
    with opened_page(chromium, local) as opened:
        yield opened


@pytest.fixture
def shoot(request: pytest.FixtureRequest) -> Shoot:
    """Takes a screenshot, and keeps it where that was asked for."""
    return lambda page, name: screenshot(page, f"slack-{name}", keep=request.config.getoption("--write-screenshots"))


@pytest.mark.timeout(400)
def test_a_character_a_mention_a_second_turn_and_the_home(page: Page, shoot: Shoot) -> None:
    page.emulate_media(color_scheme="light")
    say(page, "/newcharacter Olivia")
    form = page.get_by_role("dialog")
    expect(form.get_by_label("Name", exact=True)).to_have_value("Olivia", timeout=30_000)
    form.get_by_label(re.compile("What they look like")).fill("red curly hair, round glasses")
    shoot(page, "newcharacter")
    form.get_by_role("button", name="Create").click()
    expect(page.get_by_text(re.compile("Olivia can be drawn by name"))).to_be_visible()
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)

    say(page, "@Likeness Olivia on the beach")
    page.get_by_role("link", name=re.compile(r"\d repl")).first.click()
    pictures(page, 1)
    say(page, "@Likeness Olivia at night")
    pictures(page, 2)
    page.emulate_media(color_scheme="dark")
    shoot(page, "thread")

    page.emulate_media(color_scheme="light")
    page.get_by_role("link", name="Home", exact=True).click()
    home = page.locator(".home")
    expect(home.get_by_text("Olivia on the beach")).to_be_visible(timeout=30_000)
    home.evaluate("one => one.scrollIntoView()")
    page.wait_for_function("[...document.images].every(image => image.complete)")
    shoot(page, "home")
