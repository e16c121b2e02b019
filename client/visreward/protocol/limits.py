"""What one request may ask for. Settings of the service, published at `GET /limits`, obeyed by the client."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]


class Limits(BaseModel):
    """Upper bounds per request, enforced before anything is materialised."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_request_bytes: Count = 256 * 2**20
    """Bytes of a request body, counted while it is read."""
    max_items: Count = 4096
    max_images: Count = 1024
    """Images sent in one request."""
    max_images_per_item: Count = 16
    max_image_bytes: Count = 20 * 2**20
    """Encoded bytes of one image."""
    max_image_pixels: Count = 50_000_000
    """Width times height of one image, read from its header before it is decoded."""
    max_text_chars: Count = 200_000
    """Characters of a prompt, a completion or any text of a reference."""
    max_reference_entries: Count = 10_000
    """Entries of any list in a reference."""
    max_recipe_chars: Count = 20_000
    """Characters of a recipe written inline."""
    max_deadline_ms: Count = 600_000
    image_formats: tuple[str, ...] = ("jpeg", "png", "webp", "gif", "bmp")
    """Codecs that are tried, and no others. An animation is scored by its first frame."""
