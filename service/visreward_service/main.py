"""Builds a service from its settings and runs it. The one place where the parts are put together."""

import gc
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from difflib import get_close_matches
from functools import partial
from pathlib import Path

import torch
import uvicorn
from fastapi import FastAPI
from tokenizers import Tokenizer

from visreward_service.access import Guard, find_idle_patterns
from visreward_service.cache import MemoryCache, SharedCache, Tiers
from visreward_service.engine.admission import Admission
from visreward_service.engine.encode import Encoder
from visreward_service.engine.engine import Engine, Parts
from visreward_service.engine.lane import Lane, LaneLimits
from visreward_service.engine.pool import RulePool
from visreward_service.engine.recipes import RecipeBook
from visreward_service.engine.store import ImageStore
from visreward_service.logs import configure_logs
from visreward_service.metrics import Metrics
from visreward_service.models import load_models
from visreward_service.models.base import Model
from visreward_service.models.devices import read_memory
from visreward_service.models.images import decode
from visreward_service.recipes import load_recipes
from visreward_service.rest.app import create_app
from visreward_service.rest.drain import DrainingServer
from visreward_service.rest.listen import ProbeServer, listening, serve_probes_beside
from visreward_service.scorers import RULES, answers
from visreward_service.scorers.base import Catalog, ModelFacts
from visreward_service.settings import BatchSettings, Settings, SettingsError, load_settings

log = logging.getLogger(__name__)

START_FAILED = 3
"""Exit code of a service that could not listen; uvicorn has logged why."""

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def build_engine(settings: Settings) -> Engine:
    """Return an engine that is ready to start. Raises `ModelError`, `RecipeError` or `SettingsError`."""
    if settings.torch_threads:
        torch.set_num_threads(settings.torch_threads)
    answers.warm()  # sympy takes a second to import, which the first request shall not wait for
    metrics = Metrics()
    models = load_models(settings.models)
    metrics.watch_devices(partial(read_memory, [model.info.device for model in models.values()]))
    catalog = Catalog(models=_facts(models), tokenizers=_tokenizers(settings.tokenizers))
    recipes = RecipeBook(
        load_recipes(settings.recipe_folders), catalog, max_inline_chars=settings.limits.max_recipe_chars
    )
    cpu = ThreadPoolExecutor(settings.cpu_threads, thread_name_prefix="cpu")
    limits = _lane_limits(settings.batch)
    lanes = {name: Lane(model, limits=limits, metrics=metrics) for name, model in models.items()}
    return Engine(
        Parts(
            limits=settings.limits,
            recipes=recipes,
            lanes=lanes,
            encoder=Encoder(
                lanes=lanes,
                cache=_cache(settings, metrics),
                cpu=cpu,
                decode=partial(
                    decode,
                    formats=settings.limits.image_formats,
                    max_bytes=settings.limits.max_image_bytes,
                    max_pixels=settings.limits.max_image_pixels,
                ),
                metrics=metrics,
            ),
            store=ImageStore(settings.image_store_bytes),
            rules=RulePool(
                RULES,
                workers=settings.rules.workers,
                time_limit_seconds=settings.rules.time_limit_seconds,
                memory_limit_bytes=settings.rules.memory_limit_bytes,
            ),
            admission=Admission(
                max_bytes=settings.queue.max_bytes,
                max_items=settings.queue.max_items,
                min_retry_seconds=settings.queue.min_retry_seconds,
                max_retry_seconds=settings.queue.max_retry_seconds,
                metrics=metrics,
            ),
            metrics=metrics,
            cpu=cpu,
        )
    )


def _cache(settings: Settings, metrics: Metrics) -> Tiers:
    memory = MemoryCache(settings.cache_bytes)
    if settings.redis is None:
        return Tiers(memory)
    try:
        shared = SharedCache(
            settings.redis.url,
            ttl_seconds=settings.redis.ttl_seconds,
            timeout_seconds=settings.redis.timeout_seconds,
            pause_seconds=settings.redis.pause_seconds,
            metrics=metrics,
        )
    except ValueError as error:
        raise SettingsError(f"redis.url: {error}") from None
    return Tiers(memory, shared)


def _facts(models: Mapping[str, Model]) -> dict[str, ModelFacts]:
    return {
        name: ModelFacts(
            views=frozenset(model.info.views),
            branches=frozenset(model.info.branches),
            logit_scale=model.info.logit_scale,
            logit_bias=model.info.logit_bias,
        )
        for name, model in models.items()
    }


def _tokenizers(folders: Mapping[str, Path]) -> dict[str, Callable[[str], int]]:
    def counter(tokenizer: Tokenizer) -> Callable[[str], int]:
        return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)

    found: dict[str, Callable[[str], int]] = {}
    for name, folder in folders.items():
        file = folder / "tokenizer.json" if folder.is_dir() else folder
        if not file.is_file():
            raise SettingsError(
                f"tokenizers.{name}: {file} is not there; name a folder with a tokenizer.json"
            )
        found[name] = counter(Tokenizer.from_file(str(file)))
    return found


def _lane_limits(batch: BatchSettings) -> LaneLimits:
    return LaneLimits(
        max_images=batch.max_images,
        max_texts=batch.max_texts,
        max_batch_tokens=batch.max_tokens,
        max_prepared_images=batch.max_prepared_images,
        max_wait_seconds=batch.max_wait_ms / 1000,
    )


def serve(
    config: Path | None = None,
    *,
    host: str | None = None,
    port: int | None = None,
    log_level: str | None = None,
) -> int:
    """Run the service until it is told to stop. Arguments beat settings. Raises as `build_engine` does."""
    settings = load_settings(config)
    changes = {"host": host, "port": port, "log_level": log_level}
    settings = settings.model_copy(
        update={name: value for name, value in changes.items() if value is not None}
    )
    configure_logs(log_format=settings.log_format, level=settings.log_level)
    engine = build_engine(settings)
    for info in engine.models:
        log.info("model ready", extra={"model": info.name, "source": info.source, "revision": info.revision})
    guard = build_guard(settings, engine)
    app = create_app(settings, engine, guard)
    if settings.grpc.port is not None:
        _serve_grpc(app, settings, engine, guard)
    if settings.metrics.port is not None:
        serve_probes_beside(app, ProbeServer(settings, engine))
    server = DrainingServer(
        uvicorn.Config(app, host=settings.host, port=settings.port, **listening(settings, engine.metrics)),
        engine,
        drain_seconds=settings.drain_seconds,
        limit_seconds=settings.shutdown_seconds,
    )
    gc.collect()
    gc.freeze()  # what is loaded stays: the collector need not look through it again and again
    with suppress(KeyboardInterrupt):  # uvicorn raises it again when it has stopped
        server.run()
    return 0 if server.started else START_FAILED


def build_guard(settings: Settings, engine: Engine) -> Guard:
    """Return who lets callers in. Raises `SettingsError` where a key may use what is not served."""
    served = [*engine.recipes.recipes, *(f"encoder.{info.name}" for info in engine.models)]
    for key, entry in find_idle_patterns(settings.keys, served).items():
        near = get_close_matches(entry, served, n=3, cutoff=0.4)
        hint = f"; nearest: {', '.join(near)}" if near else ""
        raise SettingsError(f'keys.{key}.recipes: nothing served here is named "{entry}"{hint}')
    if not settings.keys and settings.host not in LOOPBACK:
        log.warning("no keys are set: everybody who reaches the port may use the service")
    return Guard(settings.keys)


def _serve_grpc(app: FastAPI, settings: Settings, engine: Engine, guard: Guard) -> None:
    # Imported only where it is asked for: gRPC is an extra.
    try:
        from visreward_service.grpc import GrpcServer, serve_beside
    except ImportError as error:
        message = f"grpc.port is set, and {error.name} is not installed: install visreward[grpc]"
        raise SettingsError(message) from None
    serve_beside(app, GrpcServer(settings, engine, guard))
