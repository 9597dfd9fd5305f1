"""Pictures as they are uploaded to a platform: no larger than it takes, and described for whoever cannot see them."""

from __future__ import annotations

import io

from PIL import Image

from bot.sentences import NO_ALT_TEXT, ONE_OF
from storage.deliveries import DuePicture
from storage.sentences import told

QUALITIES = (92, 80, 65, 50)  # of a JPEG, until it fits the upload limit


def fitting(picture: DuePicture, data: bytes, limit: int) -> tuple[bytes, str]:
    """A picture's bytes and the suffix of its name: as a JPEG where the picture itself is over the upload limit. Blocks."""
    if len(data) <= limit:
        return data, suffix_of(picture)
    return _smaller(data, limit), "jpg"


def suffix_of(picture: DuePicture) -> str:
    """The suffix of a picture that is sent as it is."""
    return picture.blob_key.rpartition(".")[2]


def described(picture: DuePicture, number: int, of: int, most: int, language: str) -> str:
    """The alt text of a picture, in so many characters at most; of several that are shown at once it says which it is."""
    alt_text = picture.alt_text or NO_ALT_TEXT
    return told(ONE_OF.given(number=number, of=of, shown=alt_text) if of > 1 else alt_text, language)[:most]


def _smaller(data: bytes, limit: int) -> bytes:
    with Image.open(io.BytesIO(data)) as opened:
        picture = opened.convert("RGB")
    while True:
        for quality in QUALITIES:
            buffer = io.BytesIO()
            picture.save(buffer, "JPEG", quality=quality, optimize=True)
            if buffer.tell() <= limit or min(picture.size) <= 64:
                return buffer.getvalue()
        picture = picture.resize((picture.width * 3 // 4, picture.height * 3 // 4), Image.Resampling.LANCZOS)
