"""What the trainer refuses or stops with.

    TrainerError
    ├── ConfigError           a config that no run can start with
    ├── DataError             data that cannot be read, or lacks what the recipe needs
    ├── RewardsMissingError   too many samples without a reward, after all retries
    └── RolloutError          the rollout server refused, answered wrongly, or stayed away too long
        └── StaleAdapterError the server answered with other weights than the trainer's

It knows no HTTP and no torch.
"""


class TrainerError(Exception):
    """Why a run cannot start or go on: for a person, with what to do next."""


class ConfigError(TrainerError):
    """Something in the config is wrong; the message names the field."""


class DataError(TrainerError):
    """The data cannot be read, or lacks a column that the recipe needs."""


class RewardsMissingError(TrainerError):
    """More samples than allowed have no reward, whatever was tried."""


class RolloutError(TrainerError):
    """The rollout server did not do what was asked of it."""


class StaleAdapterError(RolloutError):
    """Completions come, or would come, from weights that are not the trainer's."""
