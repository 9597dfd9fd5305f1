"""Records as bytes: one safetensors file a turn, its text and digest in the file's metadata; and arrays alone likewise.

A record is the truth of the history, so damage is never passed over: what does not check out raises `DamagedRecord`.
"""

from __future__ import annotations

import hashlib
import json
from uuid import UUID

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from worker.engines.contract import Arrays, Record, Seen

_VERSION = "1"


class DamagedRecord(Exception):
    """The bytes are not a whole record, or not whole arrays."""


def record_to_bytes(record: Record) -> bytes:
    """A record as a safetensors file: `token_ids` (n,), `visual_tokens` (k, d) and, if kept, `latents` (c, h, w).

    The engine's own arrays have `kept.` before their names; pictures that were seen are `seen.0`, their PNG as bytes.
    """
    arrays: dict[str, np.ndarray] = {
        "token_ids": np.ascontiguousarray(record.token_ids, np.int32),
        "visual_tokens": np.ascontiguousarray(record.visual_tokens, np.float32),
    }
    if record.latents is not None:
        arrays["latents"] = np.ascontiguousarray(record.latents, np.float32)
    arrays |= {f"kept.{name}": np.ascontiguousarray(array) for name, array in record.arrays.items()}
    arrays |= {f"seen.{number}": np.frombuffer(one.png, np.uint8) for number, one in enumerate(record.seen)}
    about = json.dumps(
        {
            "turn_id": str(record.turn_id),
            "fingerprint": record.fingerprint,
            "text": record.text,
            "reply": record.reply,
            "characters": [str(character) for character in record.characters],
            "versions": list(record.versions),
            "seen": [one.label for one in record.seen],
        },
        ensure_ascii=False,
        sort_keys=True,
    )
    return _packed(about, arrays)


def record_from_bytes(data: bytes) -> Record:
    """The record of `record_to_bytes`. Raises `DamagedRecord`."""
    try:
        told, arrays = _unpacked(data)
        about = json.loads(told)
        return Record(
            turn_id=UUID(about["turn_id"]),
            fingerprint=about["fingerprint"],
            text=about["text"],
            reply=about["reply"],
            token_ids=arrays["token_ids"],
            visual_tokens=arrays["visual_tokens"],
            latents=arrays.get("latents"),
            characters=tuple(UUID(character) for character in about["characters"]),
            versions=tuple(about["versions"]),
            seen=tuple(
                Seen(label, arrays[f"seen.{number}"].tobytes()) for number, label in enumerate(about.get("seen", ()))
            ),
            arrays={name.removeprefix("kept."): array for name, array in arrays.items() if name.startswith("kept.")},
        )
    except (SafetensorError, KeyError, ValueError, UnicodeDecodeError) as error:
        raise DamagedRecord(f"the record cannot be read: {error}") from error


def arrays_to_bytes(about: str, arrays: Arrays) -> bytes:
    """Arrays of an engine as a safetensors file; `about` says whose they are."""
    return _packed(about, {name: np.ascontiguousarray(array) for name, array in arrays.items()})


def arrays_from_bytes(data: bytes, about: str) -> Arrays:
    """The arrays of `arrays_to_bytes`. Raises `DamagedRecord`, also where they are somebody else's."""
    try:
        told, arrays = _unpacked(data)
    except (SafetensorError, KeyError, ValueError, UnicodeDecodeError) as error:
        raise DamagedRecord(f"the arrays cannot be read: {error}") from error
    if told != about:
        raise DamagedRecord("the arrays are somebody else's")
    return arrays


def _packed(about: str, arrays: dict[str, np.ndarray]) -> bytes:
    return save(arrays, metadata={"version": _VERSION, "about": about, "digest": _digest(about, arrays)})


def _unpacked(data: bytes) -> tuple[str, dict[str, np.ndarray]]:
    arrays = load(data)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    if header["version"] != _VERSION:
        raise DamagedRecord(f"the record is of version {header['version']}, not {_VERSION}")
    if header["digest"] != _digest(header["about"], arrays):
        raise DamagedRecord("the record's digest does not match its content")
    return header["about"], arrays


def _digest(about: str, arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256(about.encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].shape}".encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()
