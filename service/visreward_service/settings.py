"""What an operator can set: a TOML file, and `VISREWARD_*` variables over it. Read once, passed down.

Every name is checked: an unknown one stops the start and names the nearest known one.
"""

import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from visreward.protocol import Limits
from visreward_service.access.settings import CorsSettings, KeySettings, TlsSettings
from visreward_service.models.settings import ModelSettings

PREFIX = "VISREWARD_"
NOT_OURS = frozenset({"VISREWARD_URL", "VISREWARD_API_KEY", "VISREWARD_CONFIG"})
"""Variables of the client and of `visreward serve`."""

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class SettingsError(ValueError):
    """Settings that the service refuses to start with; the message says what to change."""


class Section(BaseModel):
    """A table of the settings file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RuleSettings(Section):
    """The processes that run rules such as symbolic comparison."""

    workers: Count = Field(default_factory=lambda: max(os.cpu_count() or 1, 1))
    time_limit_seconds: Positive = 5.0
    """Processor time of one call, from when it starts to run; ten times that by the clock."""
    memory_limit_bytes: Count = 2 * 2**30


class BatchSettings(Section):
    """How much one forward pass of a model may hold."""

    max_images: Count = 32
    max_texts: Count = 128
    max_tokens: Count = 8192
    max_prepared_images: Count = 256
    max_wait_ms: Annotated[float, Field(ge=0)] = 2.0


class RedisSettings(Section):
    """A cache of embeddings that replicas share. Its absence costs time, never a score or a request."""

    url: str
    """Such as `redis://cache:6379/0`, `rediss://…` for TLS, or `unix:///run/redis.sock`."""
    ttl_seconds: Positive = 7 * 86_400.0
    timeout_seconds: Positive = 0.25
    """How long a request may wait for it."""
    pause_seconds: Positive = 5.0
    """How long it is left alone after a failure."""


class QueueSettings(Section):
    """How much is taken in at once; more is refused with a hint when to return."""

    max_bytes: Count = 2**30
    max_items: Count = 65_536
    min_retry_seconds: Positive = 1.0
    """The hint is computed from the queue and the rate of answers, and lies between these."""
    max_retry_seconds: Positive = 60.0


class HttpSettings(Section):
    """Bounds of one HTTP connection."""

    max_head_bytes: Annotated[int, Field(ge=1024)] = 2**16
    """Of a request's line and headers."""
    idle_seconds: Positive = 60.0
    """How long a client may leave a request unfinished, or an answer unread, without a byte moving."""
    request_seconds: Positive = 300.0
    """How long a request may take to come in, however steadily it comes."""


class MetricsSettings(Section):
    """A port of its own for `/metrics`, `/healthz` and `/readyz`, in plain HTTP and without a key."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] | None = None
    """None leaves them on the service's port; with one, `/metrics` is there alone. 0 takes a free port."""


class RaySettings(Section):
    """What Ray Serve is asked for, of each replica. `visreward serve` reads none of it."""

    replicas: Count = 1
    gpus: Annotated[float, Field(ge=0)] = 0.0
    """A share of one GPU, or whole ones."""
    cpus: Positive = 2.0
    max_requests: Count = 256
    """At one replica at once; more wait at Ray's door."""


class GrpcSettings(Section):
    """The gRPC server, which speaks `visreward.v1` and the Open Inference Protocol. Needs the extra grpc."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] | None = None
    """None leaves gRPC off; 0 takes a free port."""
    max_calls: Count = 4096
    """Calls under way at once; more are refused."""
    stream_requests: Count = 32
    """Requests of one stream that are scored at once."""
    stream_idle_seconds: Positive = 300.0
    """How long a stream may stay open without a new request, or with an answer that nobody takes."""
    keepalive_seconds: Positive = 30.0
    """How long a connection may be silent before the peer is asked whether it is there still; it has a third
    of that to answer. Also how long one that is new may take to say its first word."""
    connection_seconds: Positive = 3600.0
    """When a connection is closed: what is under way on it has `limits.max_deadline_ms` to end, and further
    calls open a new one, at another replica where there are several."""
    max_metadata_bytes: Annotated[int, Field(ge=1024)] = 2**14
    """Of one call."""


class Settings(BaseSettings):
    """All settings of the service."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    shutdown_seconds: Positive = 30.0
    """How long requests under way may take after SIGTERM."""
    drain_seconds: Annotated[float, Field(ge=0)] = 1.0
    """How long new requests are at least refused in words after SIGTERM, before the port is closed."""
    cpu_threads: Count = Field(default_factory=lambda: max(os.cpu_count() or 1, 2))
    """Threads that parse, decode, resize and tokenise."""
    torch_threads: Annotated[int, Field(ge=0)] = 0
    """Forward passes at once on the CPU, with one thread each; 0 is as many as torch would take threads."""
    cache_bytes: Annotated[int, Field(ge=0)] = 2**28
    """Embeddings kept in memory."""
    image_store_bytes: Annotated[int, Field(ge=0)] = 2**29
    """Encoded images kept in memory, so that clients need not send them again."""
    recipe_folders: tuple[Path, ...] = ()
    """Folders of recipe files, beside those that come with the service."""
    tokenizers: dict[str, Path] = {}
    """Policy tokenizers by name: folders with a tokenizer.json, for recipes that count tokens themselves."""
    models: dict[str, ModelSettings] = {
        "fgclip": ModelSettings(kind="fgclip", source="bundled:scenes-fgclip")
    }
    limits: Limits = Limits()
    rules: RuleSettings = RuleSettings()
    batch: BatchSettings = BatchSettings()
    queue: QueueSettings = QueueSettings()
    http: HttpSettings = HttpSettings()
    grpc: GrpcSettings = GrpcSettings()
    metrics: MetricsSettings = MetricsSettings()
    ray: RaySettings = RaySettings()
    keys: dict[str, KeySettings] = {}
    """Who may ask, by name; without any, everybody who reaches the port."""
    tls: TlsSettings | None = None
    cors: CorsSettings = CorsSettings()
    redis: RedisSettings | None = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """A variable beats the file, whose tables come in as init arguments."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings


def load_settings(file: Path | None = None) -> Settings:
    """Read settings. Raises `SettingsError` naming the file or variable, the field and the nearest name."""
    tables = _read_file(file) if file is not None else {}
    _check_variables(os.environ)
    try:
        return Settings(**tables)
    except ValidationError as error:
        lines = [_explain(dict(detail), str(file) if file else "settings") for detail in error.errors()]
        raise SettingsError("\n".join(lines)) from None


def _read_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: not valid TOML: {error}") from None


def _check_variables(environ: Mapping[str, str]) -> None:
    """Refuse `VISREWARD_*` variables that no setting reads: pydantic-settings passes over them."""
    for variable in environ:
        if not variable.upper().startswith(PREFIX) or variable.upper() in NOT_OURS:
            continue
        first = variable.upper().removeprefix(PREFIX).split("__")[0].lower()
        if first not in Settings.model_fields:
            raise SettingsError(f"{variable}: no such setting{_nearest(first, list(Settings.model_fields))}")


def _explain(detail: dict[str, Any], origin: str) -> str:
    location = [str(part) for part in detail["loc"]]
    path = ".".join(location)
    if detail["type"] == "extra_forbidden":
        return f"{origin}: {path}: no such setting{_nearest(location[-1], _names_at(location[:-1]))}"
    return f"{origin}: {path}: {detail['msg'].removeprefix('Value error, ')}"


def _names_at(location: list[str]) -> list[str]:
    """Names of the fields at a path of the settings."""
    model: type[BaseModel] = Settings
    for part in location:
        if part in model.model_fields:  # else it is a name that the operator gave
            model = _table(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _table(annotation: Any) -> type[BaseModel] | None:
    """The table that a field holds: itself, optional, or by name."""
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _nearest(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    return f"; nearest: {', '.join(near)}" if near else f"; known: {', '.join(sorted(known))}"
