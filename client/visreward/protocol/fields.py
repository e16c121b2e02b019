"""Field types that the wire's models share: what a text, a digest and a number may be."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from pydantic_core import PydanticCustomError


def check_text(text: str) -> str:
    """Return `text`; raise where it could not be carried by every codec and tokenizer."""
    if "\0" in text:
        raise PydanticCustomError("text_invalid", "contains a NUL character")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            place = {"position": error.start}
            raise PydanticCustomError(
                "text_invalid", "contains a lone surrogate at character {position}", place
            ) from None
    return text


Text = Annotated[str, AfterValidator(check_text)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(check_text)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Finite = float
"""A float that is neither NaN nor infinite: `WireModel` refuses both."""

Json = Any
"""A JSON value; its shape is the business of whoever reads it."""


class AnswerModel(BaseModel):
    """A part of an answer: a client passes over fields that a newer service has added."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class WireModel(BaseModel):
    """A part of a request: unknown fields are refused, no value is coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
