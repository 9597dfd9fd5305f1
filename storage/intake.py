"""What a picture from outside must be before it is kept: checked by its header, decoded defensively, encoded anew.

It knows hostile and odd files, and the sentence that a person gets for each. It does not know where a picture came from
or where it will be kept. A check takes up to a few seconds of one core and holds no event loop:
call it through `asyncio.to_thread`.
"""

from __future__ import annotations

import contextlib
import io
import threading
from dataclasses import dataclass
from typing import Literal

from PIL import Image, ImageCms, JpegImagePlugin, UnidentifiedImageError

from storage import sentences
from storage.sentences import Sentence

Reason = Literal["not_a_picture", "too_many_bytes", "too_many_pixels", "too_small", "too_slow", "broken"]

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
_ANIMATED_FORMATS = {"PNG", "WEBP", "GIF"}  # a JPEG of several pictures holds depth or brightness, not time
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Encoders write about ten scans; a crafted file of 20 MB may have 100,000 and keep a core busy for hours.
_MOST_SCANS = 100
# Pillow holds 15 bytes a pixel while it decodes a WebP (libwebp's canvases and its own copies), of other kinds 4 or 5.
_MOST_PIXELS_OF_WEBP = 25_000_000
# At the limits a picture takes about 400 MB while it is decoded, so large ones wait for each other.
_LARGE = 16_000_000
_one_large_picture = threading.Lock()


class PictureRefused(Exception):
    """A picture that is not kept; the message is one plain sentence to the person who sent it."""

    def __init__(self, reason: Reason, sentence: Sentence) -> None:
        super().__init__(sentence)
        self.reason: Reason = reason


@dataclass(frozen=True, slots=True)
class Intake:
    """A picture as we keep it: upright, sRGB, opaque, without metadata."""

    data: bytes
    """JPEG where a JPEG came in, else PNG."""
    content_type: Literal["image/jpeg", "image/png"]
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    was_animated: bool
    """Whether only the first frame of an animation was taken, which the person should be told."""

    @property
    def suffix(self) -> str:
        """The ending of its key, with the dot."""
        return ".jpg" if self.content_type == "image/jpeg" else ".png"


def check_picture(
    data: bytes,
    *,
    max_bytes: int = 20_000_000,
    max_pixels: int = 80_000_000,
    max_side: int = 2048,
    min_side: int = 16,
) -> Intake:
    """The picture in `data` (a JPEG, PNG, WebP or GIF file), safe to keep, its longer side `max_side` pixels at most.

    A WebP may have 25 megapixels at most, whatever `max_pixels` says. Raises `PictureRefused`.
    Equal bytes give an equal result with one version of Pillow.
    """
    if len(data) > max_bytes:
        sizes = {"size": _megabytes(len(data)), "most": _megabytes(max_bytes)}
        raise PictureRefused("too_many_bytes", sentences.TOO_MANY_BYTES.given(**sizes))
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            if picture.format == "WEBP":
                max_pixels = min(max_pixels, _MOST_PIXELS_OF_WEBP)
            _check_size(picture.size, max_pixels, max_side, min_side)
            jpeg = isinstance(picture, JpegImagePlugin.JpegImageFile)
            if jpeg:
                _check_scans(data)
            animated = picture.format in _ANIMATED_FORMATS and bool(getattr(picture, "is_animated", False))
            large = picture.width * picture.height > _LARGE
            with _one_large_picture if large else contextlib.nullcontext():
                reduced = _reduced(picture, max_side)
            upright = _upright(picture, reduced)
            content_type, encoded = _encoded(upright, jpeg=jpeg)
    except PictureRefused:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(max_pixels) from error
    except UnidentifiedImageError as error:
        raise PictureRefused("not_a_picture", sentences.NOT_A_PICTURE) from error
    except Exception as error:  # a decoder may raise anything over hostile bytes, and all of it means the same
        raise PictureRefused("broken", sentences.DAMAGED) from error
    return Intake(encoded, content_type, upright.width, upright.height, animated)


def _check_size(size: tuple[int, int], max_pixels: int, max_side: int, min_side: int) -> None:
    """Judges by the header, before anything is decoded."""
    width, height = size
    if width * height > max_pixels:
        raise _too_many_pixels(max_pixels)
    if min(size) < min_side:
        sides = {"width": str(width), "height": str(height), "least": str(min_side)}
        raise PictureRefused("too_small", sentences.TOO_SMALL.given(**sides))
    if min(size) * max_side < min_side * max(size):  # it would become too small by being reduced
        raise PictureRefused("too_small", sentences.TOO_NARROW)


def _check_scans(jpeg: bytes) -> None:
    # The marker of a scan cannot occur within compressed data, and hardly ever does in metadata.
    if jpeg.count(b"\xff\xda") > _MOST_SCANS:
        raise PictureRefused("too_slow", sentences.TOO_SLOW)


def _too_many_pixels(max_pixels: int) -> PictureRefused:
    return PictureRefused("too_many_pixels", sentences.TOO_MANY_PIXELS.given(most=round(max_pixels / 1e6)))


def _megabytes(count: int) -> float:
    return round(count / 1e6, 1)


def _reduced(picture: Image.Image, max_side: int) -> Image.Image:
    """The first frame of `picture` as opaque RGB or CMYK, `max_side` pixels at most on its longer side.

    Where the whole would be more than twice too long it is averaged in bands, so that beside the decoded picture
    nothing of its size exists; a JPEG is decoded at about that length at once.
    """
    scale = min(1, max_side / max(picture.size))
    size = (round(scale * picture.width), round(scale * picture.height))
    if scale < 1:
        picture.draft(None, (2 * size[0], 2 * size[1]))
    picture.load()
    factor = max(picture.size) // (2 * max_side)
    if factor < 2:
        return _opaque(picture).resize(size, Image.Resampling.LANCZOS)
    averaged = Image.new(
        "CMYK" if picture.mode == "CMYK" else "RGB", (-(-picture.width // factor), -(-picture.height // factor))
    )
    rows = 64 * factor
    for top in range(0, picture.height, rows):
        band = picture.crop((0, top, picture.width, min(top + rows, picture.height)))
        averaged.paste(_opaque(band).reduce(factor), (0, top // factor))
    # The last row and column may stand for less than the others do.
    box = (0, 0, picture.width / factor, picture.height / factor)
    return averaged.resize(size, Image.Resampling.LANCZOS, box)


def _opaque(picture: Image.Image) -> Image.Image:
    """As RGB, or CMYK where it is; whatever is transparent shows white."""
    if picture.mode.startswith("I;16"):
        picture = picture.point(lambda value: value * (1 / 256)).convert("L")  # Pillow itself would clip, not scale
    if picture.has_transparency_data:
        white = Image.new("RGBA", picture.size, "white")
        white.alpha_composite(picture.convert("RGBA"))
        picture = white
    return picture if picture.mode in {"RGB", "CMYK"} else picture.convert("RGB")


def _upright(source: Image.Image, picture: Image.Image) -> Image.Image:
    """`picture` turned as the metadata of `source` say, and in sRGB. Metadata that make no sense count as none."""
    profile = source.info.get("icc_profile")
    if profile:
        with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
            theirs = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(picture, theirs, ImageCms.createProfile("sRGB"), outputMode="RGB")
            picture = converted or picture
    with contextlib.suppress(Exception):  # whatever is wrong with the metadata, the picture itself is fine
        turn = _TURNS.get(source.getexif().get(_ORIENTATION, 1))
        if turn is not None:
            picture = picture.transpose(turn)
    return picture.convert("RGB")


def _encoded(picture: Image.Image, *, jpeg: bool) -> tuple[Literal["image/jpeg", "image/png"], bytes]:
    picture.info = {}  # Pillow would write comments and profiles that it finds here
    file = io.BytesIO()
    if jpeg:
        picture.save(file, "JPEG", quality=92, subsampling=0)
        return "image/jpeg", file.getvalue()
    picture.save(file, "PNG")
    return "image/png", file.getvalue()
