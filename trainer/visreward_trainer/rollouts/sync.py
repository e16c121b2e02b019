"""What TRL calls when the policy's weights are new: the adapter goes to the rollout server before anything is
drawn. The first process does it, the others wait for it."""

from collections.abc import Callable
from typing import Any

from visreward_trainer.background import BackgroundLoop
from visreward_trainer.rollouts.adapters import Adapters


class AdapterSync:
    """Publishes the adapter of the model under the number of the step."""

    def __init__(
        self,
        *,
        adapters: Adapters,
        loop: BackgroundLoop,
        accelerator: Any,
        model: Callable[[], Any],
        version: Callable[[], int],
    ) -> None:
        self._adapters = adapters
        self._loop = loop
        self._accelerator = accelerator
        self._model = model
        self._version = version

    def sync_weights(self) -> None:
        """Publish; raises `RolloutError` where the server stays away longer than patience allows."""
        version = self._version()
        if self._accelerator.is_main_process:
            self._adapters.save(self._accelerator.unwrap_model(self._model()), version)
            self._loop.run(self._adapters.publish(version))
        self._accelerator.wait_for_everyone()
        self._adapters.adopt(version)
