"""Publishes the trainer's adapter to the rollout server, under a new name for each version.

A name is never used twice: a server keeps what it computed with an adapter under its name. A folder stays
until its adapter is unloaded, since a server may read it again. What an earlier, killed process of the same
run left behind is unloaded at the start.
"""

import asyncio
import secrets
import shutil
from pathlib import Path
from typing import Any

from visreward_trainer.errors import RolloutError, StaleAdapterError
from visreward_trainer.rollouts.server import RefusedError, RolloutServer

PREFIX = "visreward"
LOAD_ATTEMPTS = 3
LOAD, UNLOAD = "/v1/load_lora_adapter", "/v1/unload_lora_adapter"


class Adapters:
    """The adapter that the server has, and the way to give it the next one.

    Parameters
    ----------
    run:
        Id of the run, the same after a restart.
    session:
        Id of this process's time in it, so that names are new after a restart too.
    """

    def __init__(self, server: RolloutServer, folder: Path, *, run: str, session: str) -> None:
        self._server = server
        self._folder = folder.absolute()
        self._run = run
        self._session = session
        self._lock = asyncio.Lock()
        self.version: int | None = None
        """Optimizer steps behind the adapter that the server has; None before the first one."""

    def name_of(self, version: int) -> str:
        return f"{PREFIX}-{self._run}-{self._session}-{version:06d}"

    @property
    def name(self) -> str:
        """What requests ask for; raises `StaleAdapterError` before the first publication."""
        if self.version is None:
            raise StaleAdapterError("no adapter was published yet")
        return self.name_of(self.version)

    def save(self, model: Any, version: int) -> None:
        """Write a PEFT model's adapter where the server will read it; a half-written one is never there."""
        target = self._folder / self.name_of(version)
        scratch = target.with_name(f".{target.name}-{secrets.token_hex(4)}")
        model.save_pretrained(scratch, selected_adapters=["default"])
        shutil.rmtree(target, ignore_errors=True)
        scratch.rename(target)

    async def publish(self, version: int) -> None:
        """Have the server load a saved adapter, see that it did, and unload the one before."""
        before = self.version
        await self._load(version)
        self.version = version
        if before is not None and before != version:
            await self._unload(self.name_of(before))

    def adopt(self, version: int) -> None:
        """Take note of what another process of the run has published."""
        self.version = version

    async def restore(self) -> None:
        """Give the current adapter to a server that has forgotten it; many may ask at once."""
        async with self._lock:
            if self.version is not None and self.name not in await self._loaded():
                await self._load(self.version)

    async def clear(self) -> None:
        """Unload every adapter of this run: what a killed process left, or our own at the end."""
        for name in await self._loaded():
            if name.startswith(f"{PREFIX}-{self._run}-"):
                await self._unload(name)
        self.version = None

    async def _load(self, version: int) -> None:
        name = self.name_of(version)
        path = self._folder / name
        for _ in range(LOAD_ATTEMPTS):
            refused = await self._ask_to_load(name, path)
            # A request whose answer was lost may have been obeyed; a server that restarted has forgotten it.
            loaded = await self._loaded()
            if name in loaded:
                break
        else:
            raise RolloutError(
                f"the rollout server does not load {path}: {refused}. It must see this folder "
                "(rollouts.adapter_folder) and be started with VLLM_ALLOW_RUNTIME_LORA_UPDATING=1"
            )
        if Path(loaded[name]).name != name:
            raise StaleAdapterError(f"the rollout server has {loaded[name]} under the name {name}")

    async def _ask_to_load(self, name: str, path: Path) -> RefusedError | None:
        """Return the refusal, or None."""
        try:
            await self._server.post(LOAD, {"lora_name": name, "lora_path": str(path)})
        except RefusedError as error:
            return error
        return None

    async def _unload(self, name: str) -> None:
        try:
            await self._server.post(UNLOAD, {"lora_name": name})
        except RefusedError as error:
            if error.status not in (400, 404):
                raise
        await asyncio.to_thread(shutil.rmtree, self._folder / name, ignore_errors=True)

    async def _loaded(self) -> dict[str, str]:
        """Return the folder of each model that the server offers, by name."""
        listed = await self._server.get("/v1/models")
        return {str(model["id"]): str(model.get("root") or "") for model in listed["data"]}
