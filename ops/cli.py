"""The `likeness` command. It knows the commands and how to say in one sentence what went wrong; the work is done elsewhere.

Everything heavy is imported by the command that needs it, so that `likeness --help` is quick and a machine without torch
can do all but draw.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from storage.settings import Settings

app = typer.Typer(
    name="likeness",
    help="Likeness draws the people of your story and keeps their likeness through the conversation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

models_app = typer.Typer(help="Published models for a GPU: what there is, and getting it here.", no_args_is_help=True)
app.add_typer(models_app, name="models")

Engine = Annotated[str | None, typer.Option(help="The engine that draws; the default is the setting LIKENESS_ENGINE.")]


_FULL = "The memory does not suffice for this engine. `likeness doctor` names settings with which it may."
_OURS = ("bot", "worker", "storage", "migrations", "ops")


def main() -> None:
    """Run the command. What can be expected to go wrong is one sentence and exit status 1, not a traceback."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        sentence = _sentence(error)
        if sentence is None:
            raise
        typer.echo(f"likeness: {sentence}", err=True)
        sys.exit(1)


@app.command()
def demo(
    engine: Engine = None,
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
) -> None:
    """Run all of Likeness on this machine: Postgres, Valkey, a worker, the studio. Ctrl-C stops everything."""
    from ops.demo import run
    from ops.processes import end_with_parent

    if with_parent:
        end_with_parent()
    run(_settings(engine=engine))


@app.command()
def studio(
    host: Annotated[str | None, typer.Option(help="Address to bind to; keep it on loopback.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.")] = None,
) -> None:
    """Serve the studio page for the database and the broker that the settings name."""
    import secrets

    import uvicorn

    from ops.demo import studio_address
    from ops.stack import free_port

    settings = _settings(studio_host=host, studio_port=port)
    port = settings.studio_port or free_port()
    token = settings.studio_token.get_secret_value() if settings.studio_token else secrets.token_urlsafe(24)
    settings = _settings(studio_port=port, studio_token=token)
    typer.echo(studio_address(settings.studio_host, port, token))
    # By name: the app reads the settings itself, as it does in every process. Open progress streams must not hold a stop up.
    uvicorn.run(
        "bot.web.app:create_app",
        factory=True,
        host=settings.studio_host,
        port=settings.studio_port,
        log_level=settings.log_level.lower(),
        timeout_graceful_shutdown=3,
        server_header=False,
        access_log=False,  # an address may carry the token
    )


@app.command()
def discord() -> None:
    """Be on Discord, with the token that LIKENESS_DISCORD_TOKEN names. Any number of these may run."""
    import logging

    from bot.discord import client
    from bot.services import Services, run

    settings = _settings()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    services = Services.open(settings)
    services.warm()
    run(client.run(services))


slack = typer.Typer(invoke_without_command=True)
app.add_typer(slack, name="slack")


@slack.callback()
def run_slack(context: typer.Context) -> None:
    """Be on Slack, over HTTP or Socket Mode as LIKENESS_SLACK_MODE says. Any number of these may run."""
    if context.invoked_subcommand is not None:
        return
    import logging

    from bot.services import Services, run
    from bot.slack import app as bot

    settings = _settings()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    services = Services.open(settings)
    services.warm()
    run(bot.run(services))


@slack.command("manifest")
def slack_manifest(
    url: Annotated[str | None, typer.Option(help="Address of the bot, https:// and a host.")] = None,
    socket: Annotated[bool, typer.Option("--socket", help="For Socket Mode: Slack calls no address.")] = False,
    one_workspace: Annotated[
        bool, typer.Option("--one-workspace", help="Without OAuth: LIKENESS_SLACK_BOT_TOKEN is its token.")
    ] = False,
) -> None:
    """Print the manifest that makes the app on Slack, as JSON."""
    import json

    from bot.slack.manifest import manifest

    site = _settings(slack_public_url=url).slack_public_url
    typer.echo(json.dumps(manifest(site, socket=socket, one=one_workspace), indent=2, ensure_ascii=False))


@slack.command("rotate-keys")
def slack_rotate_keys() -> None:
    """Seal all tokens anew with the first key of LIKENESS_SLACK_ENCRYPTION_KEYS; after that the others can go."""
    from bot.slack.installations import keys_of, seal_again
    from storage.database import Database

    settings = _settings()
    keys = keys_of(settings)
    database = Database(settings.database_url)
    try:
        count = database.run(seal_again, keys)
    finally:
        database.close()
    typer.echo(f"Secrets that are sealed with the first key now: {count}.")


@slack.command("forget")
def slack_forget(team: Annotated[str, typer.Argument(help="Id of the workspace, such as T0123ABCD.")]) -> None:
    """Delete all that is kept of a workspace, as its uninstall does; for one that was removed while no bot ran."""
    import time

    from bot.slack.installations import leave
    from storage.database import Database

    settings = _settings()
    database = Database(settings.database_url)
    try:
        gone = database.run(leave, settings.slack_client_id, team, time.time())
    finally:
        database.close()
    typer.echo("It is deleted." if gone else f"Nothing is kept of {team}.")


@app.command("local-discord")
def local_discord(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0 takes a free one.")] = 8766,
    engine: Engine = None,
) -> None:
    """Try the Discord bot without an account: a Discord of this machine, with a page to write and press."""
    from rich.console import Console

    from bot import services
    from ops.local import run
    from ops.one_machine import one_machine, stop_on_signals

    with stop_on_signals(), one_machine(_settings(engine=engine)) as machine:
        services.run(run.discord(machine, port, Console(highlight=False)))


@app.command("local-slack")
def local_slack(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0 takes a free one.")] = 8768,
    mode: Annotated[
        str | None,
        typer.Option(help="How it reaches the bot: http or socket; the default is the setting LIKENESS_SLACK_MODE."),
    ] = None,
    engine: Engine = None,
) -> None:
    """Try the Slack bot without an account: a Slack of this machine, with a page to write and press."""
    from rich.console import Console

    from bot import services
    from ops.local import run
    from ops.one_machine import one_machine, stop_on_signals

    with stop_on_signals(), one_machine(_settings(engine=engine, slack_mode=mode)) as machine:
        services.run(run.slack(machine, port, Console(highlight=False)))


@app.command()
def worker(
    engine: Engine = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Drawing processes, each with the engine in its memory.")] = 1,
    threads: Annotated[int | None, typer.Option(min=0, help="CPU threads of each; 0 means all cores.")] = None,
) -> None:
    """Draw: take turns of one engine from the queue until stopped."""
    from ops.one_machine import check_machine, worker_argv

    settings = _settings(engine=engine, worker_threads=threads)
    argv = worker_argv(settings, concurrency=concurrency)
    check_machine(settings)
    sys.stdout.flush()
    os.execv(argv[0], argv)  # noqa: S606  (no shell: signals must reach the worker itself)


@app.command()
def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Only check, in a database made for it, that migrations lead to the tables.")
    ] = False,
) -> None:
    """Bring the database's tables up to what this version needs."""
    import migrations

    if check:
        from ops.check_migrations import differences

        found = differences(_settings().postgres_bin)
        for difference in found:
            typer.echo(difference, err=True)
        if found:
            raise typer.Exit(1)
        typer.echo("The migrations lead to the tables, and back.")
        return
    migrations.upgrade(_settings().database_url)
    typer.echo(f"The database is at revision {migrations.head()}.")


@app.command()
def reports(
    limit: Annotated[int, typer.Option(min=1, help="How many, at most.")] = 100,
) -> None:
    """List the pictures that people reported, newest first: when, where, which turn, by whom, and why."""
    from storage import reports as kept
    from storage.database import Database

    database = Database(_settings().database_url)
    try:
        found = database.run(kept.listed, limit=limit)
    finally:
        database.close()
    for one in found:
        where = f"{one.platform} {one.workspace_name or one.workspace}"
        typer.echo(
            f"{one.at:%Y-%m-%d %H:%M}  {where}  turn {one.turn_id}  {one.reporter_name or one.reporter}: {one.reason}"
        )
    if not found:
        typer.echo("Nobody reported anything.")


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list instead of a table.")] = False,
    engine: Engine = None,
) -> None:
    """Check each part and say how to mend what is broken. Exit status 1 when anything is."""
    from ops import doctor as checks

    found = checks.examine(lambda: _settings(engine=engine))
    checks.show(found, as_json=as_json)
    if not all(check.ok for check in found):
        raise typer.Exit(1)


@models_app.command("list")
def list_models() -> None:
    """List the models of each engine with their licences, and which of them are here."""
    from rich.console import Console

    from ops import models

    models.show(_settings(), Console())


@models_app.command("fetch")
def fetch_models(
    engine: Engine = None,
    into: Annotated[
        Path | None, typer.Option(help="Folder for models; the setting LIKENESS_MODELS_DIR without it.")
    ] = None,
    faces: Annotated[
        bool, typer.Option("--faces", help="Only the open models that compare faces in photographs.")
    ] = False,
) -> None:
    """Get the models of an engine, or compare those that are here with their hashes. What was interrupted goes on."""
    from rich.console import Console

    from ops import models
    from worker.engines.models import ENGINES

    settings = _settings(engine=engine, models_dir=into)
    if settings.engine not in ENGINES and not faces:
        raise typer.BadParameter(f"{settings.engine} needs no published models. These do: {', '.join(ENGINES)}.")
    console = Console(highlight=False)
    try:
        if not faces:
            models.fetch(settings.engine, settings, console)
        if faces or (settings.guard and settings.face_models is None):
            models.fetch_faces(settings, console)
    except models.FetchProblem as problem:
        typer.echo(f"likeness: {problem}", err=True)
        raise typer.Exit(1) from None


@app.command()
def train(
    folder: Annotated[Path | None, typer.Argument(help="Folder of pictures, checkpoints and logs.")] = None,
    stage: Annotated[
        str | None, typer.Option(help="Only this stage; the default is all that are not done yet.")
    ] = None,
    minutes: Annotated[float | None, typer.Option(min=0.1, help="How long each stage trains.")] = None,
    begin_from: Annotated[
        Path | None, typer.Option("--from", help="Folder of weights that stages which have not begun go on from.")
    ] = None,
) -> None:
    """Train the preview engine on this machine. What was interrupted goes on where it was."""
    settings = _settings()
    from worker.training import run as training

    if stage is not None and stage not in training.STAGES:
        raise typer.BadParameter(f"There is no stage {stage}. There are: {', '.join(training.STAGES)}.")
    folder = folder or settings.data_dir / "training"
    if begin_from is not None:
        try:
            training.begin_from(begin_from, folder)
        except (FileNotFoundError, ValueError) as error:
            raise typer.BadParameter(str(error), param_hint="--from") from error
    training.train(folder, stage, minutes)


@app.command()
def evaluate(
    engine: Engine = None,
    suite: Annotated[
        str, typer.Option(help="quick (a minute, wide intervals) or full (an hour, which decides).")
    ] = "quick",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for contact sheets, plots and figures.json.")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Folder of the weights to measure; the package's without it.")
    ] = None,
    threshold: Annotated[
        Path | None,
        typer.Option(help="Only choose the guard's threshold, on the validation split, and write this file."),
    ] = None,
    faces: Annotated[
        Path | None, typer.Option(help="Folder of other face models for insightface, to judge photographs by.")
    ] = None,
) -> None:
    """Measure how well an engine draws what was said, and keeps people the same; of photographs the latter alone."""
    from rich.console import Console

    settings = _settings(engine=engine)
    judge = faces or settings.faces_folder
    if settings.engine != "preview" and threshold is None and not judge.is_dir():
        raise typer.BadParameter(
            f"There are no face models in {judge}: `likeness models fetch --faces` gets open ones."
        )

    from worker.evaluation import suite as evaluation

    if threshold is not None:
        typer.echo(evaluation.choose_threshold(threshold, weights=weights))
        return

    if suite not in evaluation.SUITES:
        raise typer.BadParameter(f"There is no suite {suite}. There are: {', '.join(evaluation.SUITES)}.")
    aside = Console(stderr=True)

    def tell(line: evaluation.Line) -> None:
        aside.print(evaluation.in_words(line), highlight=False)

    if settings.engine == "preview":
        lines = evaluation.evaluate(evaluation.SUITES[suite], weights=weights, out=out, tell=tell)
    else:
        from ops.one_machine import check_machine
        from worker import engines
        from worker.identity.choice import guard_for, licence_of
        from worker.identity.photos import PhotoMeter

        check_machine(settings)
        aside.print(f"Faces are judged by {judge}: {licence_of(judge, settings)}", highlight=False, soft_wrap=True)
        try:
            meter = PhotoMeter(judge)
        except ValueError as problem:
            raise typer.BadParameter(str(problem)) from None
        lines = evaluation.evaluate_photographs(
            engines.load(settings.engine, settings),
            meter,
            evaluation.SUITES[suite],
            guard=guard_for(settings.engine, settings),
            out=out,
            tell=tell,
        )
    if as_json:
        typer.echo(evaluation.to_json(lines))
    else:
        evaluation.show(lines, Console())


@app.command()
def chat(
    message: Annotated[list[str] | None, typer.Argument(metavar="MESSAGE…", help="One turn each.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a turn, and nothing else.")] = False,
    script: Annotated[Path | None, typer.Option(help='File with one {"say": "…"} a line.')] = None,
    engine: Engine = None,
) -> None:
    """Talk from a terminal: each message is the next turn of one new conversation."""
    import asyncio

    from ops import chat as talk
    from ops.one_machine import one_machine, stop_on_signals, wait_for_worker

    lines = [*(talk.read_script(script) if script else []), *(talk.Line(say=text) for text in message or [])]
    if not lines:
        raise typer.BadParameter("Say something: give a MESSAGE or a --script.")
    with stop_on_signals(), one_machine(_settings(engine=engine)) as machine:
        wait_for_worker(machine)
        done = asyncio.run(talk.chat(machine, lines, out=out, as_json=as_json))
    if not done:
        raise typer.Exit(1)


def _settings(**given: object) -> Settings:
    """The settings, with what was given on the command line over the environment, for this process and its children."""
    from storage.settings import override, settings

    override({name: str(value) for name, value in given.items() if value is not None})
    return settings()


def _sentence(error: Exception) -> str | None:
    """What to tell the person, or None for what nobody expected."""
    from pydantic import ValidationError
    from sqlalchemy.exc import OperationalError

    from bot.discord import NoToken
    from bot.slack import NotSetUp
    from migrations import NewerDatabase
    from ops.chat import ScriptProblem
    from ops.one_machine import NoWorker
    from ops.processes import KeeperGone
    from ops.stack import StackError
    from storage.blobs import BlobError
    from storage.database import DatabaseUnavailable
    from storage.sealing import KeyProblem
    from worker.engines.contract import EngineProblem, OutOfMemory

    if isinstance(error, ModuleNotFoundError) and error.name and error.name.partition(".")[0] not in _OURS:
        return f"The package {error.name} is not installed here. `make install` installs everything."
    if isinstance(error, ValidationError):
        return "; ".join(f"LIKENESS_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()) + "."
    if isinstance(error, OperationalError | DatabaseUnavailable):
        return "The database cannot be reached. Is LIKENESS_DATABASE_URL right? `likeness doctor` tells more."
    if isinstance(error, OSError) and error.errno in (
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
    ):
        return f"{error.strerror}: {error.filename or 'a file'}."
    expected = (
        StackError
        | KeeperGone
        | NoWorker
        | NoToken
        | NotSetUp
        | KeyProblem
        | ScriptProblem
        | BlobError
        | NewerDatabase
        | EngineProblem
        | OutOfMemory
    )
    if isinstance(error, expected):
        return _FULL if isinstance(error, OutOfMemory) else str(error)
    return None


if __name__ == "__main__":
    main()
