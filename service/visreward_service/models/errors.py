"""What models raise on purpose, whatever library they run on."""


class ModelError(Exception):
    """A model that must not start. The message is for the operator and names the setting or file at fault."""


class Unavailable(Exception):
    """The server that runs the encoder gives no answer. The same input may fare better later."""


class OutOfMemory(Exception):
    """The device had no room for a batch. A smaller one may fit."""
