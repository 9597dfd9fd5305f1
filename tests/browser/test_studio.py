"""A person at the studio, in a real browser with a real worker behind it."""

from __future__ import annotations

import re
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect


def say(page: Page, words: str) -> None:
    page.wait_for_load_state()  # Enter sends by the page's script, which comes last
    page.get_by_role("textbox").first.fill(words)
    page.get_by_role("textbox").first.press("Enter")


def test_a_message_is_waited_for_and_its_picture_comes(page: Page) -> None:
    say(page, "draw Olivia sleep 1.5")
    expect(page.get_by_text("draw Olivia sleep 1.5").first).to_be_visible()
    expect(page.locator(".line")).to_have_text(re.compile(r"Drawing, step \d+ of 30"))
    picture = page.get_by_alt_text("The words: draw Olivia sleep 1.5")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") == 256
    expect(page.get_by_role("complementary").get_by_text("Olivia", exact=True)).to_be_visible()


def test_a_story_of_several_turns_with_undo_again_and_a_branch(page: Page) -> None:
    say(page, "draw Olivia")
    expect(page.get_by_text("Turn 1: draw Olivia")).to_be_visible()
    say(page, "draw Olivia at night")
    expect(page.get_by_text("Turn 2: draw Olivia at night")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Turn 2: draw Olivia at night")).to_have_count(0)
    say(page, "draw Olivia laughing")
    expect(page.get_by_text("Turn 2: draw Olivia laughing")).to_be_visible()
    expect(page.get_by_text("version 2 of 2")).to_be_visible()
    page.get_by_role("link", name="Version 1").click()
    expect(page.get_by_text("Turn 2: draw Olivia at night")).to_be_visible()
    say(page, "and on from there")
    expect(page.get_by_text("Turn 3: and on from there")).to_be_visible()
    page.get_by_role("article", name=re.compile("Turn 1")).get_by_role("button", name="Again").click()
    expect(page.get_by_text("Turn 1: draw Olivia")).to_be_visible()


def test_a_drawing_is_cancelled(page: Page) -> None:
    say(page, "sleep 60")
    expect(page.locator(".line")).to_have_text(re.compile("Drawing"))
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled.")).to_be_visible()


def test_many_waiting_turns_leave_the_page_usable(page: Page) -> None:
    say(page, "sleep 60")
    expect(page.locator(".line")).to_have_text(re.compile("Drawing"))
    for number in range(7):
        say(page, f"wait {number}")
        expect(page.locator("article")).to_have_count(number + 2)
    page.get_by_role("button", name="Cancel").first.click()
    expect(page.get_by_text("wait 6", exact=False).last).to_be_visible()
    expect(page.get_by_text(re.compile(r"Turn \d: wait 6"))).to_be_visible()
    expect(page.locator("progress")).to_have_count(0)


def test_everything_is_reached_by_keyboard(page: Page) -> None:
    page.keyboard.type("draw Olivia")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Turn 1: draw Olivia")).to_be_visible()
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.innerText || document.activeElement.name || ''").strip())
    assert {"Conversations", "Characters", "Draw from here", "Download", "Again", "Undo", "text", "Send"} <= reached


def test_a_phone_never_scrolls_sideways(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    say(page, "draw Olivia with a-very-long-word-that-goes-on-and-on-and-on-and-on-and-on-and-on-and-on")
    expect(page.locator(".picture img")).to_be_visible()
    for path in (None, "/characters", "/"):
        if path:
            page.goto(re.sub(r"(//[^/]+).*", rf"\1{path}", page.url))
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_picture_is_attached_and_a_character_created(page: Page, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.new("RGB", (90, 90), "teal").save(photo)
    page.locator(".compose input[type=file]").set_input_files(photo)
    expect(page.get_by_alt_text("photo.png")).to_be_visible()
    say(page, "this is Olivia")
    expect(page.get_by_text("Turn 1: this is Olivia")).to_be_visible()
    page.get_by_text("New character").click()
    page.get_by_label("Name", exact=True).fill("Max")
    page.get_by_label("What do they look like?").fill("blue afro")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("Max can be drawn by name now.")).to_be_visible()
    expect(page.get_by_text("blue afro")).to_be_visible()


def test_the_dark_side_is_dark(page: Page) -> None:
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.emulate_media(color_scheme="light")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = [sum(int(channel) for channel in re.findall(r"\d+", colour)[:3]) for colour in (dark, light)]
    assert brightness[0] < 150
    assert brightness[1] > 650
