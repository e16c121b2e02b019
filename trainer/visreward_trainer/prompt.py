"""How a question is put to the policy: the recipe's own words around it, as chat messages.

It knows no tokenizer and no images but their number.
"""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from visreward_trainer.config import PromptConfig
from visreward_trainer.errors import ConfigError

QUESTION = "{question}"
OF_RECIPES = {"pebr-r1": "pebr-r1"}
"""The template that belongs to a family of recipes, by the first part of their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A template with a place for the question, and what the system says before it."""

    template: str
    system: str | None = None

    def messages(self, question: str) -> list[dict[str, Any]]:
        """Return the conversation so far; images are put before the user's text by whoever has them."""
        said = [] if self.system is None else [{"role": "system", "content": self.system}]
        return [*said, {"role": "user", "content": self.template.replace(QUESTION, question.strip())}]


def build_prompt(config: PromptConfig, recipe: str) -> Prompt:
    """Return the prompt of a config; raise `ConfigError` where its template is not there or has no place for
    the question."""
    name = config.template or OF_RECIPES.get(recipe.partition("/")[0], "question")
    bundled = resources.files("visreward_trainer").joinpath("prompts", f"{name}.txt")
    if Path(name).name == name and bundled.is_file():
        text = bundled.read_text(encoding="utf-8")
    else:
        try:
            text = Path(name).read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"prompt.template: no template {name} ({error.strerror})") from None
    if QUESTION not in text:
        raise ConfigError(f"prompt.template: there is no {QUESTION} in {name}")
    return Prompt(template=text.strip("\n"), system=config.system)
