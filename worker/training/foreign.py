"""Pictures that are none of this art: what somebody may attach who means a photo.

No photos are needed: fields of noise with the spectrum of natural pictures, soft bodies in soft light, and mixtures of both
have in common with photos what this art has not: nothing in them is flat, and hardly an edge is ink.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def foreign(rng: np.random.Generator, side: int) -> NDArray[np.uint8]:
    """A picture (side, side, 3) that nobody would take for this art."""
    kind = rng.random()
    if kind < 0.3:
        picture = _field(rng, side, 3)
    elif kind < 0.9:
        picture = _scene(rng, side)
    else:
        picture = _pattern(rng, side)
    grey = picture.mean(axis=2, keepdims=True)
    picture = grey + (picture - grey) * rng.choice([0.0, rng.uniform(0.1, 1.0)], p=[0.15, 0.85])
    grain = rng.uniform(0, 0.05) * rng.normal(size=(side, side, 1))
    contrast, light = rng.uniform(0.6, 1.2), rng.uniform(-0.12, 0.12)
    picture = (picture - 0.5) * contrast + 0.5 + light + grain
    return np.asarray(picture.clip(0, 1) * 255, np.uint8)


def _field(rng: np.random.Generator, side: int, channels: int) -> NDArray[np.float64]:
    """Noise whose power falls with frequency, as in natural pictures; the channels go mostly together."""
    across = np.fft.fftfreq(side)
    falls = np.hypot(across[:, None], across[None]) + 1 / side
    spectrum = falls ** -rng.uniform(0.9, 1.8)
    common = rng.uniform(0.5, 0.95)
    noise = rng.normal(size=(side, side, channels))
    noise = common * noise[..., :1] + (1 - common) * noise
    field = np.fft.ifft2(np.fft.fft2(noise, axes=(0, 1)) * spectrum[..., None], axes=(0, 1)).real
    field -= field.mean(axis=(0, 1))
    field /= 4 * field.std() + 1e-9
    return np.asarray(field + rng.uniform(0.2, 0.8, 3)[:channels])


def _scene(rng: np.random.Generator, side: int) -> NDArray[np.float64]:
    """Soft bodies before a soft ground: round, lit from one side, with a texture of their own, out of focus or not."""
    y, x = np.mgrid[0:side, 0:side] / side
    picture = _field(rng, side, 3) * rng.uniform(0, 1) + _ramp(rng, x, y)
    for _ in range(rng.integers(1, 9)):
        colour = rng.choice([rng.uniform(0, 1, 3), _skin(rng)])
        middle, size = rng.uniform(0.1, 0.9, 2), rng.uniform(0.06, 0.5, 2)
        turn = rng.uniform(0, np.pi)
        u = ((x - middle[0]) * np.cos(turn) + (y - middle[1]) * np.sin(turn)) / size[0]
        v = (-(x - middle[0]) * np.sin(turn) + (y - middle[1]) * np.cos(turn)) / size[1]
        far = np.hypot(u, v)
        edge = rng.uniform(0.01, 0.3)
        mask = 1 / (1 + np.exp(np.clip((far - 1) / edge, -40, 40)))
        light = 1 + rng.uniform(0.1, 0.7) * (u * rng.uniform(-1, 1) + v * rng.uniform(-1, 1) - 0.3 * far)
        texture = _field(rng, side, 1) - 0.5
        body = colour * light[..., None] + rng.uniform(0, 0.5) * texture
        picture = picture * (1 - mask[..., None]) + body * mask[..., None]
    return np.asarray(picture)


def _ramp(rng: np.random.Generator, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    first, second = rng.uniform(0, 1, 3), rng.uniform(0, 1, 3)
    along = rng.uniform(-1, 1) * x + rng.uniform(-1, 1) * y
    return np.asarray(first + (second - first) * along[..., None] * rng.uniform(0, 1))


def _skin(rng: np.random.Generator) -> NDArray[np.float64]:
    return np.asarray(np.array([0.9, 0.68, 0.55]) * rng.uniform(0.35, 1.05) + rng.normal(0, 0.03, 3))


def _pattern(rng: np.random.Generator, side: int) -> NDArray[np.float64]:
    """Something flat or striped: an empty page, a table, a barcode."""
    colours = rng.uniform(0, 1, (2, 3))
    cell = int(rng.integers(2, side))
    stripes = (np.arange(side) // cell) % 2
    mask = stripes[:, None] ^ stripes[None] if rng.random() < 0.5 else np.repeat(stripes[:, None], side, axis=1)
    return np.asarray(colours[mask])
