"""Which weights a folder has, without reading gigabytes: for fingerprints."""

from __future__ import annotations

import hashlib
from pathlib import Path

WHOLE = 64 * 2**20  # bytes of a file that is read from end to end; a larger one is read in places
PLACES = 64
PLACE = 2**16


def digest_of(folder: Path) -> str:
    """A digest of the configuration and weights below a folder: of small files all, of large ones the size and 64 places."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.suffix not in {".safetensors", ".json", ".txt", ".jinja"} or not file.is_file():
            continue
        size = file.stat().st_size
        digest.update(f"{file.relative_to(folder).as_posix()} {size}".encode())
        with file.open("rb") as data:
            if size <= WHOLE:
                digest.update(data.read())
                continue
            for place in range(PLACES):
                data.seek(place * (size - PLACE) // (PLACES - 1))
                digest.update(data.read(PLACE))
    return digest.hexdigest()
