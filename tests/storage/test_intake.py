"""Pictures that people send: real files of every kind, made here, and files that were made to do harm."""

from __future__ import annotations

import io
import random
import struct
import subprocess
import sys
import zlib
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image, ImageCms, ImageDraw, PngImagePlugin

from storage.intake import Intake, PictureRefused, check_picture

RED, BLUE, WHITE = (220, 30, 30), (20, 40, 200), (255, 255, 255)


def portrait(size: tuple[int, int] = (96, 64)) -> Image.Image:
    """Red on the left half, blue on the right: shows turns, mirrors and colours."""
    picture = Image.new("RGB", size, RED)
    picture.paste(BLUE, (size[0] // 2, 0, *size))
    return picture


def file_of(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_with_header(width: int, height: int, *extra: bytes) -> bytes:
    """A tiny PNG that claims to have `width` × `height` pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes(10_000)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + body + chunk(b"IEND", b"")


def opened(intake: Intake) -> Image.Image:
    picture = Image.open(io.BytesIO(intake.data))
    picture.load()
    assert picture.size == (intake.width, intake.height)
    assert picture.mode == "RGB"
    assert Image.MIME[picture.format or ""] == intake.content_type
    return picture


def close(a: object, b: tuple[int, int, int], within: int = 12) -> bool:
    assert isinstance(a, tuple)
    return all(abs(x - y) <= within for x, y in zip(a, b, strict=True))


def refused(data: bytes, **limits: int) -> PictureRefused:
    with pytest.raises(PictureRefused) as told:
        check_picture(data, **limits)
    sentence = str(told.value)
    assert sentence.endswith(".")
    assert sentence[0].isupper()
    assert "please" in sentence
    return told.value


@pytest.mark.parametrize(("kind", "suffix"), [("JPEG", ".jpg"), ("PNG", ".png"), ("WEBP", ".png"), ("GIF", ".png")])
def test_a_picture_of_each_kind_is_taken(kind: str, suffix: str) -> None:
    intake = check_picture(file_of(portrait(), kind))
    picture = opened(intake)
    assert (intake.width, intake.height) == (96, 64)
    assert intake.suffix == suffix
    assert not intake.was_animated
    assert close(picture.getpixel((10, 30)), RED)
    assert close(picture.getpixel((85, 30)), BLUE)
    assert check_picture(file_of(portrait(), kind)).data == intake.data, "equal pictures have equal keys"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a picture at all",
        b"%PDF-1.7\n" + bytes(100),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        bytes(5000),
    ]
    + [file_of(portrait(), kind) for kind in ("BMP", "TIFF", "ICO", "TGA", "PPM", "EPS", "PDF")],
    ids=lambda data: repr(data[:6]),
)
def test_a_file_that_is_no_picture_is_refused(data: bytes) -> None:
    assert refused(data).reason == "not_a_picture"


def test_a_picture_named_as_another_kind_is_judged_by_its_bytes() -> None:
    assert check_picture(file_of(portrait(), "GIF")).content_type == "image/png"


def test_a_file_of_too_many_bytes_is_refused_before_it_is_opened() -> None:
    told = refused(bytes(20_500_000))
    assert told.reason == "too_many_bytes"
    assert "20.5 MB and I take up to 20 MB" in str(told)
    assert refused(file_of(portrait(), "PNG"), max_bytes=100).reason == "too_many_bytes"


@pytest.mark.parametrize("size", [(9000, 9000), (12_000, 12_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_bomb_is_refused_by_its_header(size: tuple[int, int]) -> None:
    told = refused(png_with_header(*size))
    assert told.reason == "too_many_pixels"
    assert "80 megapixels" in str(told)


def test_a_bomb_is_refused_where_pillow_s_warnings_are_errors() -> None:
    script = (
        "import sys; from storage.intake import *\n"
        "try: check_picture(sys.stdin.buffer.read())\n"
        "except PictureRefused as told: print(told.reason)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        input=png_with_header(12_000, 12_000),
        capture_output=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout == b"too_many_pixels\n"


def test_a_webp_may_have_fewer_pixels_since_it_takes_more_memory() -> None:
    large = file_of(Image.new("L", (5100, 5000)), "WEBP", method=0)
    assert refused(large).reason == "too_many_pixels"
    assert "25 megapixels" in str(refused(large))


def test_a_header_that_promises_more_than_the_file_has_is_broken() -> None:
    assert refused(png_with_header(1000, 1000)).reason == "broken"


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
@pytest.mark.parametrize("behind", [False, True])
def test_a_text_that_unpacks_to_64_megabytes_is_not_unpacked(kind: bytes, behind: bool) -> None:
    head = b"note\x00\x01\x00\x00\x00" if kind == b"iTXt" else b"note\x00\x00"
    whole = file_of(portrait(), "PNG")
    place = whole.index(b"IEND" if behind else b"IDAT") - 4
    assert (
        refused(whole[:place] + chunk(kind, head + zlib.compress(bytes(2**26), 1)) + whole[place:]).reason == "broken"
    )


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    """Each further scan costs a pass over the whole picture and a few bytes of the file."""
    photo = file_of(Image.effect_noise((512, 512), 60).convert("RGB"), "JPEG", progressive=True)
    last = photo.rindex(b"\xff\xda")
    slow = photo[:-2] + photo[last:-2] * 200 + photo[-2:]
    assert refused(slow).reason == "too_slow"
    check_picture(photo)


def test_a_60_megapixel_photo_is_accepted_and_reduced_in_little_memory(tmp_path: Path) -> None:
    photo = file_of(portrait((9000, 6700)), "JPEG")
    (tmp_path / "photo.jpg").write_bytes(photo)
    script = (
        "import re, sys; from pathlib import Path; from storage.intake import check_picture\n"
        "def peak(): return int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])\n"
        "before = peak()\n"
        "intake = check_picture(Path(sys.argv[1]).read_bytes())\n"
        "print(intake.width, intake.height, (peak() - before) // 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "photo.jpg")],
        capture_output=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    width, height, megabytes = map(int, done.stdout.split())
    assert (width, height) == (2048, 1525)
    assert megabytes < 150, "the decoded photo alone would be 241 MB"


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_large_drawing_is_reduced_without_seams(kind: str) -> None:
    """More than twice too long, so it is averaged in bands; a slope shows any band that is out of place."""
    slope = Image.linear_gradient("L").resize((900, 5000))
    drawing = Image.merge("RGBA", [slope, slope, slope, Image.new("L", slope.size, 255)])
    intake = check_picture(
        file_of(drawing, kind, **({"lossless": True, "method": 0} if kind == "WEBP" else {})), max_side=512
    )
    assert (intake.width, intake.height) == (92, 512)
    column = [pixel[0] for pixel in (opened(intake).getpixel((46, y)) for y in range(512)) if isinstance(pixel, tuple)]
    assert all(0 <= below - above <= 2 for above, below in pairwise(column))
    assert column[0] <= 2
    assert column[-1] >= 253


def test_a_small_picture_is_not_enlarged_and_an_exact_one_not_reduced() -> None:
    assert check_picture(file_of(portrait((16, 16)), "PNG")).width == 16
    assert check_picture(file_of(portrait((2048, 20)), "PNG")).width == 2048


def test_a_photo_that_is_a_little_too_large_keeps_its_shape_and_edges() -> None:
    for kind in ("JPEG", "PNG"):
        picture = opened(check_picture(file_of(portrait((1001, 333)), kind), max_side=100))
        assert picture.size == (100, 33)
        assert close(picture.getpixel((47, 32)), RED)
        assert close(picture.getpixel((52, 0)), BLUE)
        assert close(picture.getpixel((99, 32)), BLUE)


@pytest.mark.parametrize("size", [(1, 1), (15, 300), (300, 15)])
def test_a_tiny_picture_is_refused(size: tuple[int, int]) -> None:
    told = refused(file_of(portrait(size), "PNG"))
    assert told.reason == "too_small"
    assert f"{size[0]} × {size[1]}" in str(told)


def test_a_picture_like_a_thread_is_refused() -> None:
    assert refused(file_of(Image.new("L", (4096, 20)), "PNG")).reason == "too_small"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_a_file_that_was_cut_off_is_refused(kind: str, part: float) -> None:
    photo = file_of(Image.effect_noise((300, 200), 80).convert("RGB"), kind)
    assert refused(photo[: int(len(photo) * part)]).reason == "broken"


def test_no_damage_to_a_file_raises_anything_else() -> None:
    """Thousands of damaged files: each is either taken or refused with a sentence."""
    dice = random.Random(7)
    pictures = [portrait((40, 30)), portrait((40, 30)).convert("P"), portrait((40, 30)).convert("RGBA")]
    files = [file_of(pictures[0], "JPEG"), file_of(pictures[0], "JPEG", progressive=True)]
    files += [file_of(picture, kind) for picture in pictures for kind in ("PNG", "WEBP", "GIF")]
    outcomes: set[str] = set()
    for turn in range(1500):
        damaged = bytearray(files[turn % len(files)])
        for _ in range(dice.randint(1, 6)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        try:
            outcomes.add(check_picture(bytes(damaged), max_pixels=1_000_000).content_type)
        except PictureRefused as told:
            outcomes.add(told.reason)
    assert outcomes >= {"image/jpeg", "image/png", "broken", "not_a_picture", "too_many_pixels"}


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_taken_and_that_is_said(kind: str) -> None:
    frames = [Image.new("RGB", (64, 48), colour) for colour in (RED, BLUE, WHITE)]
    intake = check_picture(file_of(frames[0], kind, save_all=True, append_images=frames[1:], duration=100))
    assert intake.was_animated
    assert close(opened(intake).getpixel((30, 20)), RED)


def test_a_phone_s_jpeg_with_a_second_picture_inside_is_no_animation() -> None:
    photo = file_of(portrait((400, 300)), "MPO", save_all=True, append_images=[portrait((100, 75))])
    intake = check_picture(photo, max_side=100)
    assert not intake.was_animated
    assert intake.content_type == "image/jpeg"
    assert (intake.width, intake.height) == (100, 75)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_stands_upright_and_tells_nothing_of_its_place(kind: str, orientation: int) -> None:
    upright = portrait((90, 60))
    upright.paste(WHITE, (0, 0, 30, 20))
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = upright.transpose(Image.Transpose(back[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "SecretCamera"
    exif.get_ifd(0x8825)[2] = (48.0, 51.0, 29.6)  # GPS latitude
    data = file_of(stored, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    assert b"SecretCamera" in data
    intake = check_picture(data)
    picture = opened(intake)
    assert picture.size == (90, 60)
    assert close(picture.getpixel((8, 6)), WHITE)
    assert close(picture.getpixel((10, 50)), RED)
    assert close(picture.getpixel((80, 10)), BLUE)
    assert dict(picture.getexif()) == {}
    assert dict(picture.getexif().get_ifd(0x8825)) == {}
    assert b"SecretCamera" not in intake.data


def test_comments_texts_and_profiles_are_dropped() -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", "SecretName")
    texts.add_itxt("XML:com.adobe.xmp", "<x>SecretName</x>")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for data in (
        file_of(portrait(), "PNG", pnginfo=texts, icc_profile=profile),
        file_of(portrait(), "JPEG", comment=b"SecretName", icc_profile=profile, xmp=b"<x>SecretName</x>"),
        file_of(portrait(), "GIF", comment=b"SecretName"),
    ):
        intake = check_picture(data)
        assert b"SecretName" in data
        assert b"SecretName" not in intake.data
        assert set(opened(intake).info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_metadata_that_make_no_sense_do_not_cost_the_picture() -> None:
    for data in (
        file_of(portrait(), "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff"),
        file_of(portrait(), "JPEG", icc_profile=b"no profile" * 50),
    ):
        assert close(opened(check_picture(data)).getpixel((10, 30)), RED)


def test_colours_of_another_profile_look_the_same_afterwards() -> None:
    """A profile whose red and blue are swapped: only who reads it sees the right colours."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    swapped = Image.merge("RGB", portrait().split()[::-1])
    intake = check_picture(file_of(swapped, "PNG", icc_profile=bytes(profile)))
    assert close(opened(intake).getpixel((10, 30)), RED)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_an_unusual_mode_keeps_its_look(mode: str) -> None:
    """The left is black, the right light grey, whatever the file calls it."""
    picture = Image.new("L", (64, 64), 0)
    picture.paste(255 if mode == "1" else 200, (32, 0, 64, 64))
    if mode == "I;16":
        odd = Image.frombytes("I;16", (64, 64), b"".join(struct.pack("<H", v * 257) for v in picture.tobytes()))
    else:
        odd = picture.convert("RGB").convert(mode)
    result = opened(check_picture(file_of(odd, "JPEG" if mode == "CMYK" else "PNG")))
    light = 255 if mode == "1" else 200
    assert close(result.getpixel((10, 30)), (0, 0, 0))
    assert close(result.getpixel((50, 30)), (light, light, light))


@pytest.mark.parametrize("kind", ["RGBA", "LA", "P", "RGB", "L", "GIF", "WEBP"])
def test_what_is_transparent_becomes_white(kind: str) -> None:
    options: dict[str, object] = {}
    if kind in {"RGB", "L"}:
        picture = Image.new(kind, (64, 64), 0)
        options["transparency"] = (0, 0, 0) if kind == "RGB" else 0
    else:
        picture = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    light = (200, 200, 200) if picture.mode != "L" else 200
    ImageDraw.Draw(picture).rectangle((32, 0, 64, 64), fill=light)
    if kind in {"LA", "P"}:
        picture = picture.convert(kind)
        if kind == "P":
            options["transparency"] = picture.getpixel((0, 0))
    file = file_of(picture, kind if kind in {"GIF", "WEBP"} else "PNG", **options)
    result = opened(check_picture(file))
    assert close(result.getpixel((10, 30)), WHITE)
    assert close(result.getpixel((50, 30)), (200, 200, 200))


def test_a_half_transparent_edge_is_mixed_with_white() -> None:
    half = Image.new("RGBA", (64, 64), (200, 0, 0, 128))
    assert close(opened(check_picture(file_of(half, "PNG"))).getpixel((30, 30)), (227, 127, 127), within=2)
