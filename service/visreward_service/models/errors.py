"""The one error of starting a model: it says what is wrong and what to do about it."""


class ModelError(Exception):
    """A model that must not start. The message is for the operator and names the setting or file at fault."""
