"""Chromium, the studio as a process, and a worker: what a person's browser meets."""

from __future__ import annotations

import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from pydantic import SecretStr

from ops.stack import Stack, free_port
from storage.database import Database
from storage.settings import Settings
from tests.browser.pages import opened_page
from tests.processes import environment, running_worker

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
TOKEN = "a-token-for-the-browser"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a screen. Ended with its module: while it runs, no other event loop can."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*QUIET, "--disable-component-update", "--disable-sync"]
        )
        yield browser
        browser.close()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A studio on a free port, with a known token."""
    return settings.model_copy(update={"studio_port": free_port(), "studio_token": SecretStr(TOKEN)})


@pytest.fixture
def studio(stack: Stack, settings: Settings, database: Database) -> Iterator[str]:
    """The printed address of a running studio with a worker behind it."""
    variables = environment(settings) | {"LIKENESS_STUDIO_TOKEN": TOKEN}
    process = stack.spawn("studio", [sys.executable, "-m", "ops.cli", "studio"], environment=variables)
    home = f"http://127.0.0.1:{settings.studio_port}"
    try:
        with running_worker(stack, settings, database):
            _until_answers(home + "/healthz")
            yield f"{home}/?token={TOKEN}"
    finally:
        process.stop(2)


def _until_answers(address: str) -> None:
    end = time.monotonic() + 20
    while True:
        try:
            urllib.request.urlopen(address, timeout=2).close()
        except (urllib.error.URLError, OSError):
            assert time.monotonic() < end, "the studio does not answer"
            time.sleep(0.05)
        else:
            return


@pytest.fixture
def page(chromium: Browser, studio: str, tmp_path: Path) -> Iterator[Page]:
    """A page that has opened the printed address."""
    with opened_page(chromium, studio, width=1180, height=820) as opened:
        yield opened
