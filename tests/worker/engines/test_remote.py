"""The painter that asks a server, against a small server of the same routes over sockets."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from PIL import Image
from starlette.responses import JSONResponse, Response

from storage.settings import Settings
from tests.processes import until
from tests.stand_ins.painting import Painting
from worker.engines.contract import Refused
from worker.engines.painters import remote
from worker.engines.painters.remote import RemotePainter, RemoteProblem
from worker.engines.published.painter import Brief, Painted, Painter, Reference

BRIEF = Brief("Olivia on a beach", (64, 32))
WITH_REFERENCES = Brief(
    "Olivia of image 1 beside Max of image 2",
    (64, 32),
    (Reference(Image.new("RGB", (40, 30), "red")), Reference(Image.new("RGB", (4000, 20), "blue"))),
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Painting]:
    monkeypatch.setattr(remote, "WAIT_SECONDS", 0.01)
    painting = Painting()
    painting.start()
    yield painting
    painting.stop()


def painter(server: Painting, **given: Any) -> RemotePainter:
    return RemotePainter(Settings(_env_file=None, remote_url=server.url, **given))


def nothing(step: int, steps: int, previews: Sequence[Image.Image]) -> None:
    """An `OnPaint` that shows nothing."""


def paint(server: Painting, brief: Brief = BRIEF, seeds: Sequence[int] = (7,), **given: Any) -> list[Painted]:
    one: Painter = painter(server, **given)
    return one.paint(brief, seeds=seeds, on_step=nothing)


def test_without_references_a_picture_is_generated(server: Painting) -> None:
    (painted,) = paint(server)
    assert (painted.picture.size, painted.picture.mode) == ((64, 32), "RGB")
    (asked,) = server.asked
    assert asked.route == "generations"
    assert asked.fields == {
        "prompt": "Olivia on a beach",
        "n": "1",
        "size": "64x32",
        "response_format": "b64_json",
        "seed": "7",
    }


def test_references_are_sent_in_order_and_not_larger_than_need_be(server: Painting) -> None:
    given: dict[str, Any] = {"remote_key": "secret", "remote_model": "Qwen/Qwen-Image-Edit-2511", "steps": 4}
    (first,) = paint(server, WITH_REFERENCES, **given)
    (asked,) = server.asked
    assert asked.route == "edits"
    assert asked.pictures == [(40, 30), (1536, 8)]
    assert asked.key == "Bearer secret"
    assert (asked.fields["model"], asked.fields["num_inference_steps"]) == ("Qwen/Qwen-Image-Edit-2511", "4")
    (again,) = paint(server, WITH_REFERENCES)
    assert first.picture.tobytes() == again.picture.tobytes()


def test_variations_are_asked_for_at_once_and_are_what_they_are_alone(server: Painting) -> None:
    alone = [paint(server, seeds=(seed,))[0].picture.tobytes() for seed in (1, 2, 3)]
    server.hold = True
    painted: list[Painted] = []
    asking = threading.Thread(target=lambda: painted.extend(paint(server, seeds=(1, 2, 3))))
    asking.start()
    until(lambda: server.most_at_once == 3, seconds=5)
    server.hold = False
    asking.join(5)
    assert [one.picture.tobytes() for one in painted] == alone
    assert len(set(alone)) == 3


def test_where_memory_is_short_one_is_asked_for_after_the_other(server: Painting) -> None:
    painter(server).paint(BRIEF, seeds=(1, 2, 3), on_step=nothing, modest=True)
    assert server.most_at_once == 1


class Cancelled(Exception):
    pass


def test_a_cancel_ends_the_request_and_harms_no_later_one(server: Painting) -> None:
    server.hold = True
    one = painter(server)

    def cancel(step: int, steps: int, previews: Sequence[Image.Image]) -> None:
        if server.asked:
            raise Cancelled

    with pytest.raises(Cancelled):
        one.paint(BRIEF, seeds=(1, 2), on_step=cancel)
    until(lambda: server.left == 2, seconds=5)
    server.hold = False
    assert one.paint(BRIEF, seeds=(1,), on_step=nothing)


def test_each_picture_is_a_step(server: Painting) -> None:
    told: list[tuple[int, int]] = []
    painter(server).paint(BRIEF, seeds=(1, 2), on_step=lambda step, steps, _: told.append((step, steps)))
    assert told[-1] == (2, 2)
    assert told == sorted(told)


def test_a_server_that_is_busy_is_asked_again(server: Painting) -> None:
    server.answers.extend([Response(status_code=503), Response(status_code=429), None])
    assert paint(server)
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (JSONResponse({"detail": "Invalid size format: '1024x'."}, 400), "Invalid size format"),
        (JSONResponse({"error": {"message": "Your request was\nrejected."}}, 400), "this: Your request was rejected."),
        (JSONResponse({"detail": [{"loc": ["prompt"], "msg": "field required"}]}, 422), "field required"),
        (Response("x" * 5000, 413), "x…"),
    ],
)
def test_what_the_server_will_not_paint_is_one_sentence_to_the_person(
    server: Painting, answer: Response, says: str
) -> None:
    server.answers.append(answer)
    with pytest.raises(Refused, match=says) as refused:
        paint(server)
    assert len(str(refused.value)) < 300
    assert len(server.asked) == 1, "and is not asked for again"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (JSONResponse({"error": {"message": "Unauthorized"}}, 401), "answered 401: Unauthorized"),
        (Response(status_code=404), "answered 404"),
        (Response("broken", 500), "answered 500: broken"),
        (JSONResponse({"data": [{"url": "http://elsewhere/1.png"}]}), "no picture in data"),
        (JSONResponse({"data": [{"b64_json": base64.b64encode(b"no picture").decode()}]}), "no picture in data"),
    ],
)
def test_what_the_operator_has_to_mend_is_no_refusal(server: Painting, answer: Response, says: str) -> None:
    server.answers.append(answer)
    with pytest.raises(RemoteProblem, match=says):
        paint(server)


def test_a_server_that_is_too_slow_or_away_is_named(server: Painting) -> None:
    server.hold = True
    with pytest.raises(RemoteProblem, match="longer than LIKENESS_REMOTE_SECONDS"):
        paint(server, remote_seconds=0.1)
    assert len(server.asked) == 1, "it would only begin anew"
    server.stop()
    with pytest.raises(RemoteProblem, match="cannot be reached"):
        paint(server)
    with pytest.raises(RemoteProblem, match="LIKENESS_REMOTE_URL"):
        RemotePainter(Settings(_env_file=None))
