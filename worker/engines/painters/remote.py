"""`remote`: a server paints, which has the image routes of OpenAI: `/v1/images/edits` with references, else `/generations`.

vLLM-Omni and SGLang serve them, with a seed and steps beside the standard fields. It knows these routes and nothing of the
model behind them. Each seed is a request of its own, since the routes take one seed: so a picture is the same alone and
beside others, and the server batches as it likes.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import io
import logging
from collections.abc import Sequence

import httpx
from PIL import Image

from storage.settings import Settings
from worker.engines.contract import Arrays, EngineProblem, Refused
from worker.engines.painters.loop import SIZES
from worker.engines.published.painter import Brief, OnPaint, Painted

log = logging.getLogger(__name__)

REFERENCE_SIDE = 1536  # pixels of the longer side of what is sent
ATTEMPTS = 4
WAIT_SECONDS = 1.0  # before the second attempt; doubled for each later one
LISTEN_SECONDS = 0.2  # between two looks whether the painting is still wanted
PASSING = (408, 429, 502, 503, 504)  # answers after which another attempt may succeed
OPERATORS = (401, 403, 404, 405)  # answers that say that the settings are wrong, not the request


class RemoteProblem(EngineProblem):
    """The server does not paint, and whoever looks after it has to do something; one sentence for the log."""


class RemotePainter:
    """Paints by a server."""

    fingerprint = "remote"  # of arrays, of which it keeps none
    sizes: tuple[tuple[int, int], ...] = SIZES
    max_references = 3
    cannot: tuple[str, ...] = ()

    def __init__(self, settings: Settings) -> None:
        """Nothing is asked of the server before there is something to paint. Raises `RemoteProblem` without an address."""
        if not settings.remote_url:
            raise RemoteProblem("No server is named that paints: set LIKENESS_REMOTE_URL.")
        self._url = settings.remote_url.rstrip("/") + "/images/"
        key = settings.remote_key
        self._headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}
        self._more = {
            **({"model": settings.remote_model} if settings.remote_model else {}),
            **({"num_inference_steps": settings.steps} if settings.steps else {}),
        }
        self._timeout = httpx.Timeout(settings.remote_seconds, connect=10.0)

    def encode(self, picture: Image.Image) -> Arrays:
        """Nothing: the server encodes pictures itself."""
        return {}

    def paint(self, brief: Brief, *, seeds: Sequence[int], on_step: OnPaint, modest: bool = False) -> list[Painted]:
        """A picture for each seed, asked for at once; one after another when `modest`.

        A picture counts as a step. Raises `Refused` for what the server will not paint, `RemoteProblem` for what its operator
        has to mend.
        """
        return asyncio.run(self._paint(brief, seeds, on_step, modest=modest))

    async def _paint(self, brief: Brief, seeds: Sequence[int], on_step: OnPaint, *, modest: bool) -> list[Painted]:
        sent = [_png(one.picture) for one in brief.references]
        side_by_side = asyncio.Semaphore(1 if modest else len(seeds))
        async with httpx.AsyncClient(headers=self._headers, timeout=self._timeout) as client:

            async def one(seed: int) -> Painted:
                async with side_by_side:
                    return Painted(await self._picture(client, brief, sent, seed))

            tasks = [asyncio.create_task(one(seed)) for seed in seeds]
            waiting = set(tasks)
            try:
                while waiting:
                    done, waiting = await asyncio.wait(
                        waiting, timeout=LISTEN_SECONDS, return_when=asyncio.FIRST_COMPLETED
                    )
                    for task in done:
                        task.result()
                    on_step(max(1, len(seeds) - len(waiting)), len(seeds), ())  # which may raise: that is a cancel
            finally:
                for task in waiting:  # whose requests end with them
                    task.cancel()
                await asyncio.gather(*waiting, return_exceptions=True)
            return [task.result() for task in tasks]

    async def _picture(self, client: httpx.AsyncClient, brief: Brief, sent: Sequence[bytes], seed: int) -> Image.Image:
        wait = WAIT_SECONDS
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = await self._ask(client, brief, sent, seed)
            except httpx.TimeoutException as error:
                if isinstance(error, httpx.ConnectTimeout) and attempt < ATTEMPTS:
                    says = "did not answer"
                else:  # the server had its time, and would only begin anew
                    raise RemoteProblem(
                        f"The server at {self._url} took longer than LIKENESS_REMOTE_SECONDS."
                    ) from error
            except httpx.TransportError as error:
                says = f"cannot be reached: {error}"
            else:
                if answer.status_code not in PASSING:
                    return self._painted(answer)
                says = f"answered {answer.status_code}: {_detail(answer)}"
            if attempt < ATTEMPTS:
                log.warning("the server that paints %s; attempt %d of %d", says, attempt, ATTEMPTS)
                await asyncio.sleep(wait)
                wait *= 2
        raise RemoteProblem(f"The server at {self._url} {says}.")

    async def _ask(self, client: httpx.AsyncClient, brief: Brief, sent: Sequence[bytes], seed: int) -> httpx.Response:
        asked = {
            "prompt": brief.prompt,
            "n": 1,
            "size": "{}x{}".format(*brief.size),
            "response_format": "b64_json",
            "seed": seed,
            **self._more,
        }
        if not sent:
            return await client.post(self._url + "generations", json=asked)
        files = [("image", (f"image-{number}.png", png, "image/png")) for number, png in enumerate(sent, 1)]
        fields = {name: str(value) for name, value in asked.items()}
        return await client.post(self._url + "edits", data={**fields, "output_format": "png"}, files=files)

    def _painted(self, answer: httpx.Response) -> Image.Image:
        code = answer.status_code
        if 400 <= code < 500 and code not in OPERATORS:
            raise Refused(f"The server that paints will not paint this: {_detail(answer)}")
        if code != httpx.codes.OK:
            raise RemoteProblem(f"The server at {self._url} answered {code}: {_detail(answer)}")
        try:
            with Image.open(
                io.BytesIO(base64.b64decode(answer.json()["data"][0]["b64_json"], validate=True))
            ) as picture:
                return picture.convert("RGB")
        except (
            ValueError,
            KeyError,
            IndexError,
            TypeError,
            binascii.Error,
            OSError,
            Image.DecompressionBombError,
        ) as error:
            raise RemoteProblem(f"The server at {self._url} answered with no picture in data[0].b64_json.") from error


def _png(picture: Image.Image) -> bytes:
    sent = picture.convert("RGB")
    sent.thumbnail((REFERENCE_SIDE, REFERENCE_SIDE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    sent.save(file, "PNG")
    return file.getvalue()


def _detail(answer: httpx.Response) -> str:
    """What the server says is wrong, as vLLM-Omni (`detail`) and OpenAI (`error.message`) put it, in one short line."""
    try:
        told = answer.json()
    except ValueError:
        told = answer.text
    if isinstance(told, dict):
        told = told.get("detail") or told.get("error") or told.get("message") or told
    if isinstance(told, list) and told:
        told = told[0]
    if isinstance(told, dict):
        told = told.get("message") or told.get("msg") or told
    line = " ".join(str(told).split())
    return (line[:200].rstrip() + "…" if len(line) > 200 else line) or "no reason was given."
