"""The page of `likeness local-discord` as somebody uses it who tries the bot: in a browser, with the preview engine behind it.

With --write-screenshots its pictures become those of docs/discord.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.pages import local_page, opened_page, pictures, say, screenshot


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a page with the bot and a worker behind it, as the command starts them."""
    with local_page("discord", tmp_path_factory.mktemp("local")) as address:
        yield address


@pytest.fixture
def page(chromium: Browser, local: str) -> Iterator[Page]:
    """A page that has opened the address; it fails the test when its console shows an error."""
    with opened_page(chromium, local) as opened:
        yield opened


@pytest.fixture
def shoot(request: pytest.FixtureRequest) -> Callable[[Page, str], None]:
    """Takes a screenshot, and keeps it where that was asked for."""
    return lambda page, name: screenshot(page, f"discord-{name}", keep=request.config.getoption("--write-screenshots"))


@pytest.mark.timeout(400)
def test_a_mention_a_second_turn_a_character_and_buttons(page: Page, shoot: Callable[[Page, str], None]) -> None:
    say(page, "/newcharacter Olivia")
    form = page.get_by_role("dialog", name="A new character")
    expect(form.get_by_label("Name", exact=True)).to_have_value("Olivia")
    form.get_by_label(re.compile("What they look like")).fill("red curly hair, round glasses")
    page.emulate_media(color_scheme="light")
    shoot(page, "newcharacter")
    form.get_by_role("button", name="Submit").click()
    expect(page.get_by_text("Olivia can be drawn by name now")).to_be_visible()
    page.get_by_role("button", name="Dismiss").click()
    expect(page.get_by_text("Olivia can be drawn by name now")).to_have_count(0)

    say(page, "@Likeness Olivia on the beach")
    page.get_by_role("link", name="Open the thread").click()
    expect(page.get_by_role("heading", name="Olivia on the beach")).to_be_visible()
    pictures(page, 1)
    say(page, "@Likeness Olivia at night")
    pictures(page, 2)
    page.emulate_media(color_scheme="dark")
    shoot(page, "thread")

    page.get_by_role("button", name="up", exact=True).last.click()
    expect(page.get_by_text("you like it")).to_be_visible()
    page.get_by_role("button", name="Dismiss").click()
    page.get_by_role("radio", name="reply to this").first.check()
    say(page, "Olivia laughing")
    pictures(page, 3)
    expect(page.locator(".quote")).to_contain_text("Likeness")
    say(page, "/history")
    expect(page.get_by_alt_text(re.compile("Framed pictures"))).to_be_visible(timeout=30_000)
    page.wait_for_function("[...document.images].every(image => image.complete && image.naturalWidth > 100)")
    shoot(page, "history")
    page.get_by_role("button", name="Dismiss").click()
    page.get_by_role("button", name="Undo").last.click()
    expect(page.get_by_text("Undone.")).to_be_visible()


def test_the_page_is_usable_by_keyboard_on_a_phone_and_in_the_dark(page: Page) -> None:
    expect(page.get_by_label("Message", exact=True)).to_be_focused()
    reached = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("(document.activeElement.innerText || document.activeElement.name || '').trim()"))
    assert {"# general", "# stories", "Likeness", "Ada", "Ben", "text", "pictures", "Send"} <= reached
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    backgrounds = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        backgrounds.append(sum(int(channel) for channel in re.findall(r"\d+", colour)[:3]))
    assert backgrounds[0] > 650
    assert backgrounds[1] < 200
