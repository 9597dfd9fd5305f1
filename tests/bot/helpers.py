"""What tests of every adapter do: wait, make pictures, and finish turns as a worker does."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Sequence
from uuid import UUID

from PIL import Image

from bot.services import Services
from storage import turns
from storage.blobs import key_for
from storage.tables import Status
from storage.turns import Claim, DrawnPicture, Outcome, StoredBlob
from tests.factory import Factory


async def until(condition: Callable[[], object], seconds: float = 8.0) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def png(colour: str = "red", size: int = 8) -> bytes:
    """A picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(buffer, "PNG")
    return buffer.getvalue()


def finish_with_picture(
    services: Services,
    factory: Factory,
    claim: Claim,
    reply: str,
    alt_text: str,
    configurations: Sequence[str] = ("",),
    data: bytes = b"",
) -> None:
    """Finish a claimed turn as a worker does that has drawn something."""
    pictures = []
    for colour, configuration in zip(("red", "green", "blue", "black"), configurations, strict=False):
        picture = data or png(colour)
        key = key_for(claim.workspace_id, "pictures", picture, ".png")
        services.blobs.put(key, picture, content_type="image/png")
        blob = StoredBlob(key, len(picture), "image/png")
        pictures.append(DrawnPicture(blob, 8, 8, alt_text, configuration=configuration))
    outcome = Outcome(Status.DONE, reply, tuple(pictures))
    assert factory.database.run(turns.finish, claim.turn_id, claim.fencing, outcome).valid


class InPlaceOfAWorker:
    """What a town does that has no worker."""

    services: Services
    factory: Factory

    def claim(self) -> Claim:
        """Claim the next turn as a worker would."""
        claim = self.factory.claim()
        assert claim is not None
        return claim

    def draw(self, reply: str = "A portrait of Olivia.", alt_text: str = "Olivia on the beach.") -> UUID:
        """Draw the next turn as a worker would."""
        claim = self.claim()
        self.finish(claim, reply, alt_text)
        return claim.turn_id

    def finish(
        self,
        claim: Claim,
        reply: str = "A portrait of Olivia.",
        alt_text: str = "Olivia.",
        configurations: Sequence[str] = ("",),
        data: bytes = b"",
    ) -> None:
        """Finish a claimed turn with a picture, or with as many as there are configurations."""
        finish_with_picture(self.services, self.factory, claim, reply, alt_text, configurations, data)
