"""A similarity map as a picture."""

import base64
from io import BytesIO

import numpy as np
from PIL import Image

from visreward_service.scorers.phrases.regions import Map

MAX_SIDE_PIXELS = 128
COLOURS = ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))
"""Dark to bright, evenly spaced."""


def draw_heatmap(similarities: Map) -> str:
    """Return a PNG in base64: the least cosine dark, the largest bright; a flat map is dark.

    Its longer side is `MAX_SIDE_PIXELS`. It covers the whole image, squashed to the proportions of the grid.
    """
    low, high = float(similarities.min()), float(similarities.max())
    levels = (similarities - low) / (high - low) if high > low else np.zeros_like(similarities)
    stops = np.linspace(0, 1, len(COLOURS))
    channels = [np.interp(levels, stops, [colour[channel] for colour in COLOURS]) for channel in range(3)]
    picture = Image.fromarray(np.rint(np.stack(channels, axis=-1)).astype(np.uint8))
    scale = MAX_SIDE_PIXELS / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    file = BytesIO()
    picture.resize(size, Image.Resampling.BILINEAR).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode("ascii")
