"""What describes how Likeness is installed and deployed must describe this code: no Docker runs here to find out otherwise."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ops.cli import app
from storage.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
DOCKERFILES = sorted((ROOT / "ops" / "docker").glob("Dockerfile.*"))
ONE_SHOT = {"migrate"}
SETTINGS = {f"LIKENESS_{name.upper()}" for name in Settings.model_fields}


def check_command(words: list[str]) -> None:
    """Raise what `likeness` itself would say to these arguments."""
    group = typer.main.get_command(app)
    command = group.commands[words[0]]  # type: ignore[attr-defined]  # a group, because the app has several commands
    command.make_context(words[0], [re.sub(r"\$\{[^}]*\}", "x", word) for word in words[1:]])


@pytest.mark.parametrize("name", OURS)
def test_a_service_of_ours_runs_a_command_that_exists(name: str) -> None:
    check_command(OURS[name]["command"])


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_sets_only_settings_that_exist(name: str) -> None:
    given = {key for key in SERVICES[name].get("environment", {}) if key.startswith("LIKENESS_")}
    assert given <= SETTINGS
    assert name not in OURS or {"LIKENESS_DATABASE_URL", "LIKENESS_BROKER_URL", "LIKENESS_BLOBS_URL"} <= given


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - ONE_SHOT))
def test_a_service_that_stays_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_refers_to_what_there_is(name: str) -> None:
    service = SERVICES[name]
    assert set(service.get("depends_on", {})) <= set(SERVICES)
    for volume in service.get("volumes", []):
        assert volume.partition(":")[0] in COMPOSE["volumes"]
    for needed, how in service.get("depends_on", {}).items():
        assert how["condition"] == ("service_completed_successfully" if needed in ONE_SHOT else "service_healthy")
    if name not in OURS:
        assert re.fullmatch(r"[a-z/]+:v?\d[\w.-]*", service["image"]), "a version, and no registry's host"


def test_nobody_but_this_machine_reaches_a_port() -> None:
    for service in SERVICES.values():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")


def test_a_gpu_worker_starts_only_when_asked_for() -> None:
    worker = SERVICES["worker-gpu"]
    assert worker["profiles"] == ["gpu"]
    assert worker["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]


def test_a_gpu_worker_has_what_published_models_need() -> None:
    build = SERVICES["worker-gpu"]["build"]
    extras = set(build["args"]["EXTRAS"].split(","))
    offered = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {"worker", "gpu", "faces"} <= extras <= set(offered)
    assert re.search(r"^ARG EXTRAS=worker$", (ROOT / build["dockerfile"]).read_text(), re.MULTILINE)
    assert SERVICES["worker-gpu"]["image"] != SERVICES["worker"]["image"], "which are built of different parts"


def test_every_service_is_built_from_a_dockerfile_that_exists() -> None:
    used = {ROOT / service["build"]["dockerfile"] for service in OURS.values()}
    assert used == set(DOCKERFILES)


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_a_dockerfile_copies_what_exists_and_runs_a_command_that_exists(file: Path) -> None:
    text = file.read_text().replace("\\\n", " ")
    allowed = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE):
        for source in shlex.split(line)[:-1]:
            assert (ROOT / source).exists(), f"COPY {source}"
            assert source in allowed, f"{source} is kept out by .dockerignore"
    for name in re.findall(r"\bLIKENESS_\w+", text):
        assert name in SETTINGS
    assert re.search(r'^ENTRYPOINT \["likeness"\]$', text, re.MULTILINE)
    assert re.search(r"^USER likeness$", text, re.MULTILINE), "it must not run as root"
    assert "HEALTHCHECK" in text
    command = re.search(r"^CMD (\[.*\])$", text, re.MULTILINE)
    assert command
    check_command(yaml.safe_load(command[1]))


def test_the_images_install_every_package() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    for file in DOCKERFILES:
        assert packages <= set(re.findall(r"^COPY (\w+) \1$", file.read_text(), re.MULTILINE))


def test_the_example_of_an_environment_has_all_that_compose_asks_for() -> None:
    example = (ROOT / ".env.example").read_text()
    offered = set(re.findall(r"^#?([A-Z0-9_]+)=", example, re.MULTILINE))
    asked = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))
    assert asked <= offered
    assert {name for name in offered if name.startswith("LIKENESS_")} <= SETTINGS


def pins() -> dict[str, Requirement]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in map(Requirement, lines)}


def test_constraints_pin_versions_and_hold_no_addresses() -> None:
    text = (ROOT / "constraints.txt").read_text()
    assert not re.search(r"://|^-|\+cpu|torchvision", text, re.MULTILINE)
    for pin in pins().values():
        assert pin.url is None
        assert re.fullmatch(r"==[\w.]+", str(pin.specifier)), pin
    assert str(pins()["torch"]) == "torch==2.13.0"


def test_constraints_pin_every_dependency_to_a_version_that_it_allows() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    pinned = pins()
    for requirement in map(Requirement, wanted):
        pin = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(str(pin.specifier).removeprefix("==")), f"{requirement} but {pin}"


def named(*extras: str) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *(line for one in extras for line in project["optional-dependencies"][one])]
    return {canonicalize_name(Requirement(line).name) for line in lines}


def imported(folder: str) -> set[str]:
    """The packages that need not come with Python, of the modules that a folder's code imports."""
    modules: set[str] = set()
    for file in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                modules |= {one.name.partition(".")[0] for one in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.partition(".")[0])
    offered = packages_distributions()
    modules -= {"likeness", *(path.parent.name for path in ROOT.glob("*/__init__.py"))}
    return {canonicalize_name(offered[module][0]) for module in modules if module in offered}


@pytest.mark.parametrize(
    ("folders", "extras"),
    [
        (("bot", "storage", "migrations"), ()),
        (("worker", "ops"), ("worker", "gpu", "faces", "train")),
        (("tests", "benchmarks"), ("worker", "gpu", "faces", "train", "dev")),
    ],
    ids=lambda value: "-".join(value) or "bare",
)
def test_what_is_imported_is_named(folders: tuple[str, ...], extras: tuple[str, ...]) -> None:
    assert set().union(*map(imported, folders)) - named(*extras) == set()


def test_a_bot_needs_no_torch() -> None:
    assert not named() & {"torch", "transformers", "diffusers", "numpy", "insightface"}


def test_pre_commit_runs_what_make_check_runs() -> None:
    make = (ROOT / "Makefile").read_text()
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", make, re.MULTILINE)
    assert recipe
    checked = [line.strip().replace("$(BIN)/", ".venv/bin/") for line in recipe[1].splitlines()]
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert checked == [hook["entry"] for hook in hooks]
