"""Enlarges illustrated pictures: clean lines stay lines, flat colours stay flat, and nothing is made up.

The picture is made smooth first, so that edges lose their steps of pixels, and then each edge is made steep between the
two colours that it parts. It knows no model; a picture of any engine may be enlarged.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

FACTOR = 4
LONGEST = 2048  # pixels of the longer side, at most
BLUR = 1.6  # pixels of the enlarged picture: the steps are FACTOR of them wide
REACH = 7  # pixels of the square in which an edge's two colours are looked for
STEEP = 2.2  # times as steep as it was


def enlarged(picture: Image.Image) -> Image.Image:
    """An RGB picture FACTOR times as wide and high, or less where it would be longer than LONGEST.

    Raises `ValueError` for a picture that has that length already.
    """
    factor = min(FACTOR, LONGEST / max(picture.size))
    if factor <= 1:
        raise ValueError(f"a picture of {picture.width} × {picture.height} pixels is as large as it gets")
    size = (round(picture.width * factor), round(picture.height * factor))
    smooth = picture.resize(size, Image.Resampling.LANCZOS).filter(ImageFilter.GaussianBlur(BLUR))
    pixels = np.asarray(smooth, np.float32)
    dark, light = (
        np.asarray(smooth.filter(kind(REACH)).filter(ImageFilter.GaussianBlur(BLUR)), np.float32)
        for kind in (ImageFilter.MinFilter, ImageFilter.MaxFilter)
    )
    between = (pixels - dark) / np.maximum(light - dark, 1.0)
    steep = np.clip((between - 0.5) * STEEP + 0.5, 0.0, 1.0)
    return Image.fromarray((dark + steep * (light - dark) + 0.5).astype(np.uint8), "RGB")
