"""The studio's pages and forms: who may use them, what they show, and what a form becomes."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Iterator
from uuid import UUID, uuid4

import httpx2
import pytest
from PIL import Image
from pydantic import SecretStr
from sqlalchemy import update
from starlette.testclient import TestClient
from uuid_utils.compat import uuid7

from bot.web.app import LISTED, create_app
from storage import conversations
from storage.blobs import open_blobs
from storage.database import Database
from storage.settings import Settings
from storage.tables import Appearance
from storage.tickets import bell
from tests.factory import Factory
from tests.processes import until
from worker.drawing import Drawer
from worker.engines.echo import EchoEngine

TOKEN = "a token for tests"

NOBODYS = UUID(int=4)  # an id that nothing has


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"studio_token": SecretStr(TOKEN), "attachment_bytes": 100_000})


@pytest.fixture
def stranger(settings: Settings) -> Iterator[TestClient]:
    """A browser that has not opened the printed address."""
    with TestClient(create_app(settings), base_url="http://127.0.0.1", follow_redirects=False) as client:
        yield client


class Browser:
    """A browser that has, and that fills in forms as a person would."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        assert client.get("/", params={"token": TOKEN}).status_code == 303

    def get(self, path: str) -> str:
        page = self.client.get(path, follow_redirects=True)
        assert page.status_code == 200, page.text
        return page.text

    def hidden(self, path: str = "/") -> dict[str, str]:
        csrf = re.search(r'name="csrf" value="([^"]+)"', self.get(path))
        assert csrf is not None
        return {"csrf": csrf.group(1), "source": uuid4().hex}

    def send(self, path: str, files: dict[str, bytes] | None = None, **fields: str) -> httpx2.Response:
        parts = [("pictures", (name, data)) for name, data in (files or {}).items()]
        return self.client.post(path, data=self.hidden() | fields, files=parts or None)

    def thread(self, text: str = "draw Olivia", **files: bytes) -> str:
        """Begin a conversation; its address."""
        answer = self.send("/", files=files, text=text)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"].partition("#")[0]


@pytest.fixture
def browser(stranger: TestClient) -> Browser:
    return Browser(stranger)


@pytest.fixture
def echo(settings: Settings, database: Database) -> Drawer:
    return Drawer(
        settings=settings,
        database=database,
        blobs=open_blobs(settings.blobs),
        bell=bell(settings.broker_url),
        engine_name="echo",
        engine=EchoEngine(),
        worker_id=uuid7(),
    )


def turns(page: str) -> list[str]:
    return re.findall(r'<article class="turn [^"]*" id="turn-([^"]+)"', page)


def photo(size: tuple[int, int] = (60, 60)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "teal").save(buffer, "PNG")
    return buffer.getvalue()


# -- who may use it


def test_without_the_token_nothing_is_shown(stranger: TestClient) -> None:
    answer = stranger.get("/")
    assert answer.status_code == 403
    assert "likeness studio" in answer.text
    assert stranger.get("/", params={"token": "wrong"}).status_code == 403
    assert stranger.get("/healthz").status_code == 200


def test_the_printed_address_opens_it_and_leaves_no_token_in_the_address(stranger: TestClient) -> None:
    answer = stranger.get("/characters", params={"token": TOKEN})
    assert answer.headers["location"] == "/characters"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert TOKEN not in cookie
    assert stranger.get("/").status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::1"])
def test_another_host_name_is_not_served(stranger: TestClient, host: str) -> None:
    assert stranger.get("/healthz", headers={"host": host}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://[::1"},
        {"sec-fetch-site": "cross-site"},
    ],
)
def test_a_form_of_another_page_is_refused(browser: Browser, factory: Factory, headers: dict[str, str]) -> None:
    answer = browser.client.post("/", data=browser.hidden() | {"text": "draw Olivia"}, headers=headers)
    assert answer.status_code == 403
    assert factory.claim() is None


def test_a_form_without_its_secret_is_refused(browser: Browser, factory: Factory) -> None:
    answer = browser.client.post("/", data={"text": "draw Olivia", "source": "1", "csrf": "wrong"})
    assert answer.status_code == 403
    assert "reload the page" in answer.text
    assert factory.claim() is None


def test_every_page_has_a_strict_policy(browser: Browser) -> None:
    for path in ("/", "/characters", "/static/studio.js", "/nowhere"):
        headers = browser.client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_an_error_that_nobody_expected_is_a_guarded_page(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("nobody expected this")

    monkeypatch.setattr(conversations, "recent", broken)
    with TestClient(create_app(settings), base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        page = client.get("/", params={"token": TOKEN})
    assert page.status_code == 500
    assert "Something went wrong" in page.text
    assert "nobody expected" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


# -- messages


def test_a_message_becomes_a_turn_and_its_picture_is_on_the_page(browser: Browser, echo: Drawer) -> None:
    address = browser.thread("draw Olivia")
    assert "Waiting in the queue" in browser.get(address)
    echo.draw_next()
    page = browser.get(address)
    source = re.search(r'<img src="(/blobs/pictures/[^"]+)" alt="The words: draw Olivia"', page)
    assert source is not None
    picture = browser.client.get(source.group(1))
    assert picture.headers["content-type"] == "image/png"
    assert "immutable" in picture.headers["cache-control"]
    assert "attachment" in browser.client.get(source.group(1) + "?download").headers["content-disposition"]
    assert source.group(1) in browser.get("/"), "the list of conversations shows it too"


def test_how_alike_people_are_is_below_their_picture(browser: Browser, echo: Drawer, database: Database) -> None:
    address = browser.thread("draw Olivia")
    echo.draw_next()
    assert "Likeness:" not in browser.get(address), "nobody has compared them"
    database.run(lambda session: session.execute(update(Appearance).values(similarity=0.874)))
    assert re.search(r"Likeness: +Olivia 0\.87\s", browser.get(address))


def test_a_message_that_cannot_be_kept_comes_back_to_be_sent_again(browser: Browser, settings: Settings) -> None:
    home = settings.data_dir / "blobs"
    shutil.rmtree(home)
    home.write_text("a file where the folder should be")
    sent = browser.send("/", {"beach.png": photo()}, text="draw Olivia <b>")
    assert sent.status_code == 503
    assert "not sent" in sent.text
    assert ">draw Olivia &lt;b&gt;</textarea>" in sent.text
    home.unlink()
    home.mkdir()
    source = re.search(r'name="source" value="([^"]+)"', sent.text)
    assert source is not None
    again = browser.send("/", text="draw Olivia", source=source.group(1))
    assert again.status_code == 303


def test_older_conversations_are_reached(browser: Browser) -> None:
    for number in range(LISTED + 1):
        browser.thread(f"story number {number}.")
    first = browser.get("/")
    assert "story number 0." not in first
    older = re.search(r'href="(/[?]before=[^"]+)"', first)
    assert older is not None
    assert "story number 0." in browser.get(older.group(1))


def test_an_undo_that_is_sent_twice_undoes_one_turn(browser: Browser, echo: Drawer, factory: Factory) -> None:
    address = browser.thread("one")
    browser.send(address, text="two")
    for _ in range(2):
        assert echo.draw_next()
    for _ in range(2):
        browser.send(f"{address}/undo", source="the same form")
    assert "Turn 1: one" in browser.get(address)


def test_again_of_what_was_refused_is_refused_again(browser: Browser) -> None:
    address = browser.thread("x" * 20_000)
    page = browser.get(address)
    assert "/again" not in page
    turn = re.search(r'id="turn-([0-9a-f-]+)"', page)
    assert turn is not None
    browser.send(f"{address}/turns/{turn.group(1)}/again")
    assert browser.get(address).count("20,000 characters") == 1


def test_a_moving_picture_is_taken_by_its_first_frame_and_that_is_said(browser: Browser, echo: Drawer) -> None:
    moving = io.BytesIO()
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    frames[0].save(moving, "GIF", save_all=True, append_images=frames[1:])
    address = str(browser.send("/", {"moving.gif": moving.getvalue()}, text="draw Olivia").headers["location"])
    until(echo.draw_next)
    page = browser.get(address)
    assert "Your picture moves; I took its first frame. Turn 1: draw Olivia" in page
    assert 'alt="A picture that was attached"' in page
    made = browser.send("/characters", {"moving.gif": moving.getvalue()}, name="Max")
    assert "moves" in browser.get(str(made.headers["location"]))


def test_a_name_is_taken_by_whom_the_story_introduced(browser: Browser, echo: Drawer) -> None:
    address = browser.thread("draw Olivia")
    assert echo.draw_next()
    made = browser.send(f"{address}/characters", name="olivia")
    assert "There is a character named Olivia already" in browser.get(str(made.headers["location"]))


def test_a_form_that_is_sent_twice_is_one_turn(browser: Browser) -> None:
    form = browser.hidden() | {"text": "draw Olivia"}
    first, second = (browser.client.post("/", data=form).headers["location"] for _ in range(2))
    assert first == second
    assert len(turns(browser.get(first.partition("#")[0]))) == 1


def test_what_a_person_writes_is_shown_as_it_is_and_never_run(browser: Browser, echo: Drawer) -> None:
    address = browser.thread('<script>alert(1)</script> " onload="x')
    echo.draw_next()
    page = browser.get(address)
    assert "<script>alert" not in page
    assert 'onload="x' not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize(("text", "sentence"), [("", "no words"), ("x" * 20_000, "20,000 characters")])
def test_a_message_that_cannot_be_drawn_is_answered_with_a_sentence(browser: Browser, text: str, sentence: str) -> None:
    assert sentence in browser.get(browser.thread(text))


def test_a_line_branches_and_both_versions_can_be_reached(browser: Browser, echo: Drawer) -> None:
    address = browser.thread("one")
    browser.send(address, text="two")
    first, second = turns(browser.get(address))
    browser.send(address, text="another two", reply_to=first)
    while echo.draw_next():
        pass
    page = browser.get(address)
    assert "version 2 of 2" in page
    assert "another two" in page
    assert f"?at={second}" in page
    older = browser.get(f"{address}?at={second}")
    assert "version 1 of 2" in older
    assert "another two" not in older
    assert f'name="reply_to" value="{second}"' in older


def test_undo_again_and_cancel(browser: Browser, echo: Drawer, factory: Factory) -> None:
    address = browser.thread("one")
    echo.draw_next()
    browser.send(address, text="two")
    (_, second) = turns(browser.get(address))
    browser.send(f"{address}/turns/{second}/cancel")
    assert "Cancelled." in browser.get(address)
    browser.send(f"{address}/undo")
    assert turns(browser.get(address)) == [], "the cancelled turn is stepped over, the picture undone"
    (first,) = turns(browser.get(f"{address}?at={second}"))[:1]
    browser.send(f"{address}/turns/{first}/again")
    assert "again" in browser.get(address)


def test_a_command_is_answered_on_the_page(browser: Browser) -> None:
    address = browser.thread("one")
    answer = browser.send(address, text="undo")
    assert "Undone" in browser.get(answer.headers["location"])
    assert "Tell me whom to draw" in browser.get(browser.send(address, text="help").headers["location"])


def test_a_broker_that_is_down_loses_nothing(settings: Settings, factory: Factory) -> None:
    away = settings.model_copy(update={"broker_url": "redis://127.0.0.1:1/0"})
    with TestClient(create_app(away), base_url="http://127.0.0.1", follow_redirects=False) as client:
        address = Browser(client).thread("draw Olivia")
        assert "Waiting in the queue" in client.get(address).text
    assert factory.claim() is not None


def test_a_turn_that_ended_ends_its_stream(browser: Browser, echo: Drawer) -> None:
    address = browser.thread("one")
    echo.draw_next()
    (turn,) = turns(browser.get(address))
    told = browser.get(f"{address}/turns/{turn}/events")
    assert told.startswith("event: final")
    assert turns(browser.get(f"{address}/turns/{turn}")) == [turn]


# -- pictures that come in


def test_an_attached_picture_becomes_a_reference(browser: Browser, factory: Factory) -> None:
    browser.thread("this is Olivia", olivia=photo())
    until(lambda: factory.claim() is not None, what="the picture is admitted")


def test_a_file_that_is_no_picture_is_refused_with_a_sentence(browser: Browser) -> None:
    address = browser.thread("this is Olivia", olivia=b"no picture")
    until(lambda: '<article class="turn refused"' in browser.get(address), what="the file is refused")


def test_a_body_that_is_too_large_is_refused_before_it_is_kept(browser: Browser, factory: Factory) -> None:
    answer = browser.send("/", files={"huge.png": bytes(3_000_000)}, text="draw it")
    assert answer.status_code == 413
    assert factory.claim() is None


# -- characters


def test_a_character_is_created_renamed_promoted_and_deleted(browser: Browser) -> None:
    address = browser.thread("one")
    browser.send(f"{address}/characters", name="Max", description="blue afro", files={"max.png": photo()})
    page = browser.get(address)
    assert "blue afro" in page
    assert "/blobs/references/" in page
    character = re.search(r"/characters/([^/]+)/rename", page)
    assert character is not None
    back = f"?from={address.rpartition('/')[2]}"
    answer = browser.send(f"/characters/{character.group(1)}/rename{back}", name="Moritz")
    assert answer.headers["location"].startswith(address)
    assert "Moritz" not in browser.get("/characters")
    browser.send(f"/characters/{character.group(1)}/promote{back}")
    assert "Moritz" in browser.get("/characters")
    browser.send(f"/characters/{character.group(1)}/delete")
    assert "Moritz" not in browser.get("/characters") + browser.get(address)


def test_a_name_that_is_taken_is_said(browser: Browser) -> None:
    browser.send("/characters", name="Max")
    answer = browser.send("/characters", name="max")
    assert "There is a character named Max already" in browser.get(answer.headers["location"])


def test_a_picture_that_is_none_creates_nobody(browser: Browser) -> None:
    browser.send("/characters", name="Max", files={"max.png": b"no picture"})
    assert "Nobody yet" in browser.get("/characters")


# -- what is not there


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        f"/conversations/{NOBODYS}",
        "/blobs/pictures/0000.png",
        "/blobs/records/0000.safetensors",
        "/blobs/pictures/..%2f..%2fsecret.png",
        f"/blobs/pictures/{NOBODYS}%2fother.png",
    ],
)
def test_what_does_not_exist_is_not_found(browser: Browser, path: str) -> None:
    assert browser.client.get(path).status_code == 404


def test_another_workspaces_picture_and_turn_are_not_found(browser: Browser, factory: Factory, echo: Drawer) -> None:
    other = factory.receive("a secret of another workspace")
    echo.draw_next()
    address = browser.thread("one")
    key = next(stored.key for stored in open_blobs(echo._settings.blobs).list("pictures/"))
    name = key.rpartition("/")[2]
    assert browser.client.get(f"/blobs/pictures/{name}").status_code == 404
    assert browser.client.get(f"/conversations/{other.conversation_id}").status_code == 404
    assert browser.client.get(f"{address}/turns/{other.turn_id}/events").status_code == 404
    browser.send(f"{address}/turns/{other.turn_id}/cancel")
    assert factory.status(other.turn_id) == "done"
