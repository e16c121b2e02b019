"""The service as a Ray Serve application, for people whose trainer runs on Ray already.

    serve run visreward_service.ray:app config=settings.toml

Each replica is a whole service with an engine, a cache and rule workers of its own. Ray has the port, spreads
requests over the replicas and ends them; this module knows nothing of what they do. gRPC and the port for
probes belong to `visreward serve` and are not opened here.
"""

import os
from pathlib import Path

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict
from ray import serve

from visreward_service.settings import Settings, load_settings

CONFIG_VARIABLE = "VISREWARD_CONFIG"


class Arguments(BaseModel):
    """What stands behind `serve run visreward_service.ray:app`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    config: Path | None = None
    """The settings file, at this path on every node; else that of `VISREWARD_CONFIG`."""


def app(arguments: Arguments) -> serve.Application:
    """Return the application; its replicas and their share of a GPU are the settings' table `ray`."""
    config = arguments.config or _config_of_environment()
    wanted = load_settings(config).ray

    def build() -> FastAPI:
        # On the replica, whose process imports torch and this driver's does not.
        from visreward_service.ray import build_service

        return build_service(config)

    deployment = serve.deployment(
        name="visreward",
        num_replicas=wanted.replicas,
        max_ongoing_requests=wanted.max_requests,
        ray_actor_options={"num_gpus": wanted.gpus, "num_cpus": wanted.cpus},
    )
    return deployment(serve.ingress(build)()).bind()


def build_service(config: Path | None) -> FastAPI:
    """Return the HTTP app of one replica. Raises as `build_engine` does, which ends the replica."""
    from visreward_service.logs import configure_logs
    from visreward_service.main import build_engine, build_guard
    from visreward_service.rest import create_app

    settings: Settings = load_settings(config)
    configure_logs(log_format=settings.log_format, level=settings.log_level)
    engine = build_engine(settings)
    return create_app(settings, engine, build_guard(settings, engine))


def _config_of_environment() -> Path | None:
    name = os.environ.get(CONFIG_VARIABLE)
    return Path(name) if name else None
