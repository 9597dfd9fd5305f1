"""Every setting of Likeness, read from `LIKENESS_*` variables and a `.env` file.

This is the only module that reads the environment. It knows names, defaults and units; it opens nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def _psycopg(url: str) -> str:
    """One driver serves sync, async and migrations, so a plain `postgresql://` address means psycopg 3."""
    for plain in ("postgres://", "postgresql://"):
        if url.startswith(plain):
            return "postgresql+psycopg://" + url.removeprefix(plain)
    return url


def _persons(ids: str) -> str:
    """Persons by platform and the platform's own id, such as `discord:123`, with commas."""
    for one in _split(ids):
        platform, _, person = one.partition(":")
        if not (platform and person):
            raise ValueError(f"{one!r} is not like discord:123, a platform and the id of a person on it")
    return ids


def _split(words: str) -> frozenset[str]:
    return frozenset(stripped for one in words.split(",") if (stripped := one.strip()))


_SHARDS = re.compile(r"(\d+)(?:-(\d+))?/(\d+)")


def _some_shards(chosen: str) -> str:
    """As in 3/8 or 0-3/8; nothing means all. Raises `ValueError`."""
    match = _SHARDS.fullmatch(chosen)
    if chosen and (match is None or not int(match[1]) <= int(match[2] or match[1]) < int(match[3])):
        raise ValueError("shards are chosen as in 3/8 or 0-3/8, the first being 0")
    return chosen


class Settings(BaseSettings):
    """What an operator can set. On one machine `likeness demo` fills in the addresses by itself."""

    model_config = SettingsConfigDict(
        env_prefix="LIKENESS_", env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    # Where things are kept
    data_dir: Path = Field(
        Path("~/.local/share/likeness").expanduser(),
        description="The one folder of the one-machine stack: Postgres, Valkey, blobs, logs.",
    )
    database_url: Annotated[str, AfterValidator(_psycopg)] = Field(
        "postgresql+psycopg://localhost/likeness", description="Postgres, 15 or newer."
    )
    broker_url: str = Field(
        "redis://localhost:6379/0", description="Valkey or Redis: Celery's queue and live progress."
    )
    blobs_url: str = Field("", description="file:///folder or s3://bucket/prefix; empty means data_dir/blobs.")
    s3_endpoint_url: str | None = Field(None, description="Address of an S3 server other than Amazon's.")
    s3_region: str | None = Field(None, description="Region of the bucket.")
    s3_access_key: str | None = Field(None, description="Access key; empty means boto3's own search for credentials.")
    s3_secret_key: SecretStr | None = Field(None, description="Secret that goes with the access key.")
    postgres_bin: Path | None = Field(
        None, description="Folder with initdb and postgres for the one-machine stack, instead of the wheel's."
    )
    database_pool: int = Field(5, ge=1, le=100, description="Open database connections of one process, at most.")

    # Turns
    engine: str = Field("preview", description="The engine that new conversations use.")
    text_limit: int = Field(
        4000, ge=100, description="Characters of one message; a longer one is refused with a sentence."
    )
    attachments_limit: int = Field(10, ge=0, description="Pictures of one message, at most.")
    attachment_bytes: int = Field(20_000_000, ge=1000, description="Bytes of one attached picture, at most.")
    lease_seconds: float = Field(
        20.0, gt=0, description="How long a worker may be silent before its turn is taken back."
    )
    turn_seconds: float = Field(
        300.0, gt=0, description="Drawing time of a turn, from its latest claim, before it fails."
    )
    strikes: int = Field(3, ge=1, description="Workers that may be lost over one turn before it fails.")
    warm_patience_seconds: float = Field(
        5.0, ge=0, description="How long the fairest turn may be passed over for one whose history a worker holds."
    )
    sweep_seconds: float = Field(5.0, gt=0, description="Pause between two sweeps.")
    admit_seconds: float = Field(30.0, gt=0, description="Age of a received turn before a sweep admits it again.")
    delivery_seconds: float = Field(30.0, gt=0, description="How long one attempt to show a reply may take.")
    heartbeat_seconds: float = Field(5.0, gt=0, description="Pause between two signs of life of a worker.")
    blob_grace_seconds: float = Field(
        86_400.0, ge=3600, description="Age of an unreferred blob before it is collected."
    )

    # Worker
    compare: str = Field(
        "",
        description="Engine or configuration, such as preview:plain, that draws some turns beside a worker's own where a "
        "workspace votes between two.",
    )
    worker_threads: int = Field(0, ge=0, description="CPU threads of one worker process; 0 means all cores.")
    history_memory_bytes: int = Field(512 * 2**20, ge=0, description="History segments kept in a worker's memory.")
    history_disk_bytes: int = Field(4 * 2**30, ge=0, description="History segments kept on a worker's disk.")
    history_dir: Path | None = Field(None, description="Folder of the disk tier; empty means data_dir/history.")
    preview_weights: Path | None = Field(None, description="Weights of the preview engine, instead of the package's.")
    guard: bool = Field(
        True, description="Look at what was drawn, and draw it again when somebody is not like themselves."
    )
    guard_redraws: int = Field(1, ge=0, le=10, description="How often one turn may be drawn again, at most.")
    guard_threshold: float | None = Field(
        None, ge=-1, le=1, description="Similarity below which is drawn again; empty means the meter's own."
    )
    preview_steps: int = Field(
        8, ge=1, le=100, description="Steps of one preview picture from its sketch; from noise alone, twice as many."
    )

    # Engines of published models: klein, qwen-edit, glm and remote. worker/engines/models.py has what is taken where
    # nothing is named. A model is a folder, or an id of the hub, to which @ and a commit may be added.
    models_dir: Path | None = Field(
        None, description="Folder that `likeness models fetch` fills; empty means data_dir/models."
    )
    reader: str = Field("", description="The MLLM: a folder or a hub id; empty means the engine's own.")
    painter: str = Field("", description="The painter: a folder or a hub id; empty means the engine's own.")
    lora: str = Field(
        "", description="A LoRA of the painter: a folder or a hub id; empty means the engine's own; none."
    )
    lora_file: str = Field("", description="The file of the LoRA, where its folder has several.")
    device: str = Field("", description="cuda, cuda:1 or cpu; empty means a GPU where there is one.")
    dtype: Literal["bfloat16", "float16", "float32"] = Field("bfloat16", description="Of weights and computation.")
    quantization: Literal["none", "fp8", "int8", "nf4"] = Field(
        "none",
        description="How the weights of reader and painter are kept: fp8 and int8 by torchao, nf4 by bitsandbytes.",
    )
    offload: Literal["none", "model", "sequential"] = Field(
        "none",
        description="What lies in the machine's memory until it is needed: nothing, whole models, or single layers.",
    )
    compile: bool = Field(False, description="Compile the painter's repeated blocks, when the first picture is drawn.")
    steps: int = Field(0, ge=0, le=200, description="Steps of one picture; 0 means the model's own.")
    remote_url: str = Field(
        "", description="Address of a server with the OpenAI-compatible image routes, up to and with /v1."
    )
    remote_key: SecretStr | None = Field(None, description="Key that the server asks for, if it does.")
    remote_model: str = Field("", description="Name of the model in requests; empty leaves it to the server.")
    remote_seconds: float = Field(120.0, gt=0, description="How long one request to the server may take.")
    face_models: Path | None = Field(
        None,
        description="Folder with a detector and a recognizer of faces for insightface; empty means the open pair that "
        "`likeness models fetch --faces` makes.",
    )

    # Studio
    studio_host: str = Field("127.0.0.1", description="Address that the studio binds to; keep it on loopback.")
    studio_port: int = Field(8765, ge=0, le=65535, description="Port of the studio; 0 takes a free one.")
    studio_token: SecretStr | None = Field(None, description="Token that opens the studio; empty makes a new one.")
    studio_hosts: str = Field(
        "", description="Further Host names, with commas, under which a proxy of yours serves the studio."
    )

    # Discord
    discord_token: SecretStr | None = Field(None, description="Token of the bot, from Discord's developer portal.")
    discord_shards: Annotated[str, AfterValidator(_some_shards)] = Field(
        "",
        description="Which shards this process takes, of how many: 0-3/8; empty means all, as many as Discord wishes.",
    )
    discord_rate: float = Field(
        45.0,
        gt=0,
        le=50,
        description="Requests a second that one bot process makes of Discord, at most; the processes of one token share 50.",
    )
    discord_url: str = Field("", description="Address of a Discord on this machine, to try the bot out and for tests.")
    discord_content: bool = Field(
        False,
        description="Whether Discord gave the bot the message content intent: needed to hear what mentions nobody.",
    )

    # Slack
    slack_mode: Literal["http", "socket"] = Field(
        "http", description="How Slack reaches the bot: http (Slack calls it) or socket (it calls Slack: Socket Mode)."
    )
    slack_host: str = Field(
        "127.0.0.1", description="Address that Slack's requests are taken at; put a TLS proxy before it."
    )
    slack_port: int = Field(8767, ge=0, le=65535, description="Port of that; nothing but Slack is served there.")
    slack_signing_secret: SecretStr | None = Field(None, description="Signing secret of the app, for slack_mode http.")
    slack_bot_token: SecretStr | None = Field(None, description="Token (xoxb-…) of the bot in its one workspace.")
    slack_app_token: SecretStr | None = Field(None, description="Token (xapp-…) of the app, for slack_mode socket.")
    slack_public_url: str = Field(
        "", description="Address, https:// and a host, under which Slack and those who install the app reach the bot."
    )
    slack_client_id: str = Field("", description="Client id of the app, for any number of workspaces by OAuth.")
    slack_client_secret: SecretStr | None = Field(None, description="Secret that goes with the client id.")
    slack_encryption_keys: SecretStr | None = Field(
        None,
        description="Keys, with commas, that seal the tokens of workspaces in the database; the first seals, all open.",
    )
    slack_url: str = Field("", description="Address of a Slack on this machine, to try the bot out and for tests.")

    operators: Annotated[str, AfterValidator(_persons)] = Field(
        "", description="Who may pause workers and sees their hosts: persons such as discord:123, with commas."
    )
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")

    @property
    def shards(self) -> tuple[range, int] | None:
        """The numbers of the shards that this process takes, and of how many; None means all."""
        match = _SHARDS.fullmatch(self.discord_shards)
        if match is None:
            return None
        first, last, count = match.groups()
        return range(int(first), int(last or first) + 1), int(count)

    @property
    def threads(self) -> int:
        """CPU threads of one worker process."""
        return self.worker_threads or os.cpu_count() or 1

    @property
    def blobs(self) -> str:
        """Where blobs are, always as an address."""
        return self.blobs_url or (self.data_dir / "blobs").absolute().as_uri()

    def is_operator(self, platform: str, person: str) -> bool:
        """Whether somebody, by the platform's own id, looks after the workers that all workspaces share."""
        return f"{platform}:{person}" in _split(self.operators)

    @property
    def models_folder(self) -> Path:
        """Where models of the hub are, each in a folder of its own."""
        return self.models_dir or self.data_dir / "models"

    @property
    def faces_folder(self) -> Path:
        """Where the models are that find and compare faces in photographs."""
        return self.face_models or self.models_folder / "open-faces"

    @property
    def history_folder(self) -> Path:
        """Where the disk tier of the history is."""
        return self.history_dir or self.data_dir / "history"


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once. Raises `pydantic.ValidationError` that names what is wrong."""
    return Settings()


def override(values: Mapping[str, str]) -> None:
    """Put values over the environment, for this process and those it starts: the options of a command."""
    os.environ.update({f"LIKENESS_{name.upper()}": value for name, value in values.items()})
    settings.cache_clear()
