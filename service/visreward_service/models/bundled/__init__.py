"""The model that comes with the service, how it is trained, and how its figures are measured.

`scenes-fgclip/` is a folder in the published layout of FG-CLIP, and is loaded by the code that loads a real
one.
"""

from pathlib import Path

SCENES_FGCLIP = Path(__file__).parent / "scenes-fgclip"
"""The folder of the bundled FG-CLIP, trained on rendered scenes."""

__all__ = ["SCENES_FGCLIP"]
