"""The `likeness` command as an operator meets it: what it offers, what it says when something is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import psycopg
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select

import migrations
from ops.check_migrations import differences
from ops.stack import Stack, free_port, running_stack
from storage import reports
from storage.settings import Settings
from storage.tables import SlackInstalledBot
from tests.factory import Factory
from tests.processes import until


def likeness(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command in `folder`, with `LIKENESS_*` variables given without their prefix."""
    return subprocess.run(
        [sys.executable, "-m", "ops.cli", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment(folder, **variables),
        timeout=60,
        check=False,
    )


def environment(folder: Path, **variables: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LIKENESS_")}
    given = {f"LIKENESS_{name.upper()}": value for name, value in variables.items()}
    return {**inherited, "COLUMNS": "200", "LIKENESS_DATA_DIR": str(folder / "data"), **given}


@pytest.fixture
def system(settings: Settings) -> dict[str, str]:
    """The settings of a system that is well, for `likeness`."""
    return {
        "database_url": settings.database_url,
        "broker_url": settings.broker_url,
        "blobs_url": settings.blobs,
        "engine": "echo",
    }


def findings(run: subprocess.CompletedProcess[str]) -> dict[str, dict[str, str]]:
    return {check["name"]: check for check in json.loads(run.stdout)}


def test_help_lists_every_command(tmp_path: Path) -> None:
    run = likeness(tmp_path, "--help")
    assert run.returncode == 0
    for command in (
        "demo",
        "studio",
        "worker",
        "migrate",
        "doctor",
        "models",
        "train",
        "evaluate",
        "chat",
        "discord",
        "local-discord",
        "local-slack",
        "slack",
    ):
        assert f" {command} " in run.stdout
    assert "with-parent" not in likeness(tmp_path, "demo", "--help").stdout


def test_help_loads_nothing_heavy() -> None:
    check = "import ops.cli, sys; print(sorted({'torch', 'sqlalchemy', 'celery', 'pydantic', 'uvicorn'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_wrong_setting_is_one_sentence(tmp_path: Path) -> None:
    run = likeness(tmp_path, "migrate", database_pool="many")
    assert run.returncode == 1
    assert run.stderr.startswith("likeness: LIKENESS_DATABASE_POOL: Input should be a valid integer")
    assert run.stderr.count("\n") == 1


def test_a_database_that_is_away_is_one_sentence(tmp_path: Path) -> None:
    run = likeness(tmp_path, "migrate", database_url=f"postgresql://127.0.0.1:{free_port()}/none")
    assert run.returncode == 1
    assert run.stderr.startswith("likeness: The database cannot be reached.")
    assert run.stderr.count("\n") == 1


def test_a_folder_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    with Stack.start(tmp_path / "data"):
        run = likeness(tmp_path, "demo")
    assert run.returncode == 1
    assert run.stderr == (
        f"likeness: A stack already runs in {tmp_path}/data (process {os.getpid()}). "
        "Stop it, or set LIKENESS_DATA_DIR to another folder.\n"
    )


@pytest.mark.parametrize("command", ["worker", "demo", "chat"])
def test_an_engine_that_does_not_exist_is_one_sentence(tmp_path: Path, command: str) -> None:
    run = likeness(tmp_path, command, "--engine", "none", *(["hello"] if command == "chat" else []))
    assert run.returncode == 1
    assert (
        run.stderr
        == "likeness: There is no engine named none. There are: preview, klein, qwen-edit, glm, remote, echo.\n"
    )
    assert not (tmp_path / "data" / "stack.json").exists()


def test_migrations_lead_to_the_tables() -> None:
    assert differences() == []


def test_doctor_finds_a_whole_system_well_but_for_a_worker(tmp_path: Path, system: dict[str, str]) -> None:
    run = likeness(tmp_path, "doctor", "--json", **system)
    found = findings(run)
    assert [name for name, check in found.items() if not check["ok"]] == ["worker"]
    assert found["worker"]["mend"] == "Run likeness worker --engine echo."
    assert run.returncode == 1


def test_doctor_starts_the_one_machine_stack_to_look_at_it(tmp_path: Path) -> None:
    run = likeness(tmp_path, "doctor", "--engine", "echo")
    assert run.returncode == 0, run.stdout
    assert "✗" not in run.stdout
    assert "Postgres and Valkey start on this machine" in run.stdout
    assert not (tmp_path / "data" / "stack.json").exists()


def test_doctor_says_how_to_mend_a_database_without_tables(
    tmp_path: Path, system: dict[str, str], stack: Stack
) -> None:
    with psycopg.connect(stack.database_url.replace("+psycopg", ""), autocommit=True) as database:
        database.execute('DROP DATABASE IF EXISTS "empty"')
        database.execute('CREATE DATABASE "empty"')
    empty = {**system, "database_url": stack.database_url.rpartition("/")[0] + "/empty"}
    broken = findings(likeness(tmp_path, "doctor", "--json", **empty))["database"]
    assert not broken["ok"]
    assert broken["mend"] == "Run likeness migrate."

    assert likeness(tmp_path, "migrate", **empty).stdout == f"The database is at revision {migrations.head()}.\n"
    assert findings(likeness(tmp_path, "doctor", "--json", **empty))["database"]["ok"]


@pytest.mark.parametrize(
    ("part", "setting", "value", "mend"),
    [
        ("database", "database_url", "postgresql://127.0.0.1:1/none", "LIKENESS_DATABASE_URL"),
        ("broker", "broker_url", "redis://127.0.0.1:1/0", "LIKENESS_BROKER_URL"),
        ("blobs", "blobs_url", "file:///dev/null/blobs", "LIKENESS_BLOBS_URL"),
        ("engine", "engine", "none", "LIKENESS_ENGINE"),
        ("settings", "worker_threads", "some", ".env"),
    ],
)
def test_doctor_names_the_part_that_is_broken_and_the_setting_that_mends_it(
    tmp_path: Path, system: dict[str, str], part: str, setting: str, value: str, mend: str
) -> None:
    run = likeness(tmp_path, "doctor", "--json", **{**system, setting: value})
    assert run.returncode == 1
    broken = findings(run)[part]
    assert not broken["ok"]
    assert broken["says"]
    assert mend in broken["mend"]


def test_a_chat_that_is_interrupted_stops_what_it_started(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "ops.cli", "chat", "--engine", "echo", "hello"],
        cwd=tmp_path,
        env=environment(tmp_path),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as chat:
        log = tmp_path / "data" / "logs" / "worker.log"
        end = time.monotonic() + 20
        while not log.exists() and time.monotonic() < end:
            time.sleep(0.05)
        chat.send_signal(signal.SIGTERM)  # before the worker, whose libraries take a second, can have answered
        assert chat.wait(15) == 130
    assert not (tmp_path / "data" / "stack.json").exists()


def test_a_chat_that_started_the_stack_stops_it_only_when_others_are_done_with_it(tmp_path: Path) -> None:
    def chat(*says: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "ops.cli", "chat", "--engine", "echo", "--json", "--out", says[0], *says],
            cwd=tmp_path,
            env=environment(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ended(one: subprocess.Popen[str]) -> str:
        output, errors = one.communicate(timeout=60)
        assert one.returncode == 0, errors
        return output

    with chat("host", "sleep 3") as host:
        until(lambda: running_stack(tmp_path / "data") is not None, seconds=30)
        with chat("guest", *["sleep 2"] * 4) as guest:
            assert len(ended(host).splitlines()) == 2
            assert len(ended(guest).splitlines()) == 5
    assert running_stack(tmp_path / "data") is None


def test_discord_without_a_token_says_what_is_missing(tmp_path: Path, system: dict[str, str]) -> None:
    run = likeness(tmp_path, "discord", **system)
    assert run.returncode == 1
    assert "LIKENESS_DISCORD_TOKEN" in run.stderr
    assert "Traceback" not in run.stderr


def test_slack_without_keys_for_its_tokens_says_what_is_missing(tmp_path: Path, system: dict[str, str]) -> None:
    app = {"slack_signing_secret": "secret", "slack_client_id": "1.2", "slack_client_secret": "secret"}
    run = likeness(tmp_path, "slack", **system, **app, slack_encryption_keys="")
    assert run.returncode == 1
    assert "LIKENESS_SLACK_ENCRYPTION_KEYS is not set" in run.stderr
    assert "Traceback" not in run.stderr


def test_the_manifest_of_slack_is_one_json(tmp_path: Path) -> None:
    made = json.loads(likeness(tmp_path, "slack", "manifest", "--url", "https://likeness.example.org").stdout)
    assert made["settings"]["event_subscriptions"]["request_url"] == "https://likeness.example.org/slack/events"
    run = likeness(tmp_path, "slack", "manifest")
    assert (run.returncode, run.stdout) == (1, "")
    assert "--url" in run.stderr


def test_keys_are_replaced_by_a_command(tmp_path: Path, system: dict[str, str], factory: Factory) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    bot = {"client_id": "1.2", "app_id": "A1", "team_id": "T1", "is_enterprise_install": False}
    sealed = Fernet(old).encrypt(b"xoxb-secret").decode()
    row = SlackInstalledBot(**bot, bot_token=sealed, installed_at=datetime(2026, 1, 1))  # noqa: DTZ001  (as slack_sdk writes it)
    factory.database.run(lambda session: session.add(row))

    def rotate(keys: str) -> subprocess.CompletedProcess[str]:
        app = {"slack_client_id": "1.2", "slack_client_secret": "secret", "slack_encryption_keys": keys}
        return likeness(tmp_path, "slack", "rotate-keys", **system, **app)

    assert "Add the old key" in rotate(new).stderr
    assert rotate(f"{new},{old}").stdout == "Secrets that are sealed with the first key now: 1.\n"
    kept = factory.database.run(lambda session: session.scalars(select(SlackInstalledBot.bot_token)).one())
    assert Fernet(new).decrypt(str(kept)) == b"xoxb-secret"


def test_reports_are_listed_for_operators(tmp_path: Path, system: dict[str, str], factory: Factory) -> None:
    assert "Nobody reported anything." in likeness(tmp_path, "reports", **system).stdout
    receipt = factory.receive()
    told = {"source_id": "one", "author": "ben", "author_name": "Ben", "reason": "That is me."}
    factory.database.run(reports.report, receipt.workspace_id, receipt.turn_id, **told)
    run = likeness(tmp_path, "reports", **system)
    assert f"test guild  turn {receipt.turn_id}  Ben: That is me." in run.stdout


@pytest.mark.parametrize("command", ["worker", "chat"])
def test_an_engine_that_this_machine_cannot_hold_is_said_before_anything_starts(tmp_path: Path, command: str) -> None:
    run = likeness(tmp_path, command, "--engine", "klein", *(["hello"] if command == "chat" else []))
    assert run.returncode == 1
    assert run.stderr.startswith(
        "likeness: This machine cannot run the engine klein: Qwen/Qwen3-VL-4B-Instruct is not in "
    )
    assert "likeness models fetch --engine klein" in run.stderr
    assert run.stderr.count("\n") == 1
    assert not (tmp_path / "data" / "stack.json").exists()


def test_doctor_says_what_an_engine_of_published_models_lacks(tmp_path: Path, system: dict[str, str]) -> None:
    found = findings(likeness(tmp_path, "doctor", "--json", **{**system, "engine": "glm"}))
    assert "likeness models fetch --engine glm" in found["models"]["mend"]
    assert not found["models"]["ok"]
    assert "likeness models fetch --faces" in found["faces"]["mend"]
    assert "engine" not in found, "which would take minutes to load"


def test_photographs_are_judged_only_where_there_are_models_for_faces(tmp_path: Path) -> None:
    run = likeness(tmp_path, "evaluate", "--engine", "echo")
    assert run.returncode == 2
    assert "likeness models fetch --faces" in run.stderr


def test_models_are_listed_and_an_engine_without_any_is_named(tmp_path: Path) -> None:
    assert "black-forest-labs/FLUX.2-klein-4B" in likeness(tmp_path, "models", "list").stdout
    wrong = likeness(tmp_path, "models", "fetch", "--engine", "preview")
    assert wrong.returncode == 2
    assert "preview needs no published models" in wrong.stderr
