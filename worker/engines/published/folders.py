"""Which weights a folder has: for fingerprints."""

from __future__ import annotations

import hashlib
from pathlib import Path

from worker.engines.models import MANIFEST


def digest_of(folder: Path) -> str:
    """A digest of the configuration and weights below a folder.

    Weights that were fetched were compared with the hashes in their manifest, which stand for them here; others are read from
    end to end, as they are once more when they are loaded.
    """
    fetched = (folder / MANIFEST).exists()
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.suffix not in {".safetensors", ".json", ".txt", ".jinja"} or not file.is_file():
            continue
        digest.update(f"{file.relative_to(folder).as_posix()} {file.stat().st_size}".encode())
        if fetched and file.suffix == ".safetensors":
            continue
        with file.open("rb") as data:
            digest.update(hashlib.file_digest(data, "sha256").digest())
    return digest.hexdigest()
