"""Texts from what trainers hold: chat messages with parts, and tokens decoded with the special ones."""

from collections.abc import Mapping, Sequence
from typing import Any

ASSISTANT_MARKS = (
    "<|im_start|>assistant\n",
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "<|start|>assistant<|message|>",
    "<start_of_turn>model\n",
    "<|assistant|>\n",
    "[/INST]",
    "ASSISTANT:",
)
"""What stands before a completion for Qwen, Llama 3, gpt-oss, Gemma, Phi, Mistral and LLaVA."""

END_MARKS = (
    "<|im_end|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|return|>",
    "<|end|>",
    "<end_of_turn>",
    "<eos>",
    "</s>",
)


def cut_completion(text: str, prompt: str | None = None, assistant_mark: str | None = None) -> str:
    """Return the completion of a prompt and completion decoded together, without its end marks.

    The prompt is cut where it is a prefix. A vision model's prompt is none, because its image placeholders
    have been expanded: the text is then cut behind the last assistant mark, the one given or any known one.
    Raises ValueError where no mark is found, since a reward of the prompt would be a wrong number.
    """
    if assistant_mark is None and prompt and text.startswith(prompt):
        return cut_end(text[len(prompt) :])
    marks = ASSISTANT_MARKS if assistant_mark is None else (assistant_mark,)
    ends = [text.rfind(mark) + len(mark) for mark in marks if mark in text]
    if not ends:
        raise ValueError("no assistant mark in the text: name the chat template's with assistant_mark")
    return cut_end(text[max(ends) :])


def cut_end(text: str) -> str:
    """Return the text without end marks, and the white space between them, at its end."""
    while True:
        bare = text.rstrip()
        mark = next((mark for mark in END_MARKS if bare.endswith(mark)), None)
        if mark is None:
            return text
        text = bare.removesuffix(mark)


def read_text(messages: Any, role: str) -> str | None:
    """Return the texts that a role says in chat messages, in paragraphs; plain text as it is.

    None where the role says nothing. Raises ValueError for anything but text and messages.
    """
    if isinstance(messages, str):
        return messages
    said = [_text_of(message.get("content")) for message in _check(messages) if message.get("role") == role]
    return "\n\n".join(text for text in said if text) if said else None


def read_images(messages: Any) -> list[Any]:
    """Return the images that stand as parts in chat messages, in order."""
    if isinstance(messages, str):
        return []
    parts = [part for message in _check(messages) for part in _parts(message.get("content"))]
    return [part["image"] for part in parts if part.get("type") == "image" and part.get("image") is not None]


def _check(messages: Any) -> Sequence[Mapping[str, Any]]:
    if not isinstance(messages, Sequence) or not all(isinstance(message, Mapping) for message in messages):
        raise ValueError(f"expected text or a list of chat messages, not {type(messages).__name__}")
    return messages


def _text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(str(part["text"]) for part in _parts(content) if part.get("type") == "text")


def _parts(content: Any) -> list[Mapping[str, Any]]:
    if isinstance(content, str | None):
        return []
    return [part for part in content if isinstance(part, Mapping)]
