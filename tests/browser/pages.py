"""What tests of the local platforms' pages share: the command that serves one, a browser's page, screenshots for the docs."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect

from ops.stack import free_port

IMAGES = Path("docs/images")
LARGEST = 150_000  # bytes of a screenshot
START_SECONDS, PICTURE_SECONDS = 90, 90


@contextmanager
def local_page(platform: str, folder: Path) -> Iterator[str]:
    """The address of a page with the bot and a worker behind it, as `likeness local-PLATFORM` starts them."""
    port = free_port()
    variables = {name: value for name, value in os.environ.items() if not name.startswith("LIKENESS_")}
    variables |= {"LIKENESS_DATA_DIR": str(folder / "data"), "PYTHONUNBUFFERED": "1"}
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "ops.cli", f"local-{platform}", "--port", str(port), "--engine", "preview"],
            env=variables,
            stdout=said,
            stderr=said,
        )
    try:
        end = time.monotonic() + START_SECONDS
        while f"A {platform.capitalize()} with the bot in it" not in (words := (folder / "said").read_text()):
            assert process.poll() is None, words
            assert time.monotonic() < end, words
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


@contextmanager
def opened_page(chromium: Browser, address: str, *, width: int = 1040, height: int = 860) -> Iterator[Page]:
    """A page that has opened the address; it fails the test when its console shows an error."""
    context = chromium.new_context(viewport={"width": width, "height": height})
    opened = context.new_page()
    opened.set_default_timeout(15_000)
    errors: list[str] = []
    opened.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto(address)
    yield opened
    context.close()
    assert not errors, errors


def say(page: Page, words: str) -> None:
    """Write a message, and send it."""
    page.wait_for_load_state()  # Enter sends by the page's script, which comes last
    page.get_by_role("textbox", name="Message").or_(page.get_by_role("combobox", name="Message")).fill(words)
    page.keyboard.press("Enter")


def pictures(page: Page, count: int) -> None:
    """Wait until so many pictures are there, with alt texts, each with its buttons."""
    expect(page.get_by_role("button", name="Again", exact=True)).to_have_count(count, timeout=PICTURE_SECONDS * 1000)
    shown = page.get_by_role("article").get_by_role("img")
    expect(shown).to_have_count(count)
    assert all(len(one.get_attribute("alt") or "") > 10 for one in shown.all())
    page.wait_for_function("[...document.images].every(image => image.complete && image.naturalWidth > 100)")


def screenshot(page: Page, name: str, *, keep: bool) -> None:
    """Take a screenshot, small enough for the repository; with `keep` it becomes that of the docs."""
    with Image.open(io.BytesIO(page.screenshot())) as opened:
        drawn = opened.convert("RGB").quantize(192, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    drawn.save(buffer, "PNG", optimize=True)
    assert 10_000 < buffer.tell() < LARGEST
    if keep:
        (IMAGES / f"{name}.png").write_bytes(buffer.getvalue())
