"""What `make demo` and `make test` install: every version is known beforehand, and so is every file."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BENCH = ("cli", "optuna", "plots", "bench")
EXTRAS = {"demo": BENCH, "test": (*BENCH, "configspace", "ray", "examples", "docs", "dev")}


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(text: str) -> dict[str, str]:
    found = re.findall(r"^([\w.-]+)==([^\s;\\]+)", text, re.MULTILINE)
    return {normalised(name): version for name, version in found}


def needed(file: str) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))
    extras = [each for extra in EXTRAS[file] for each in project["project"]["optional-dependencies"][extra]]
    names = (*project["project"]["dependencies"], *extras, *project["build-system"]["requires"])
    found = {normalised(re.split(r"[\[<>=!~; ]", each)[0]) for each in names}
    return found - {"transfernas"}  # in an extra that names others


@pytest.mark.parametrize("file", EXTRAS)
def test_every_file_that_is_installed_has_a_hash(file: str) -> None:
    text = (ROOT / "requirements" / f"{file}.txt").read_text(encoding="utf8")
    entries = re.split(r"\n(?=\S)", text.strip())
    assert all(re.fullmatch(r"[\w.-]+==[^\n]+(\n    --hash=sha256:[0-9a-f]{64}( \\)?)+", each) for each in entries)


@pytest.mark.parametrize("file", EXTRAS)
def test_the_versions_are_those_of_the_constraints_and_nothing_is_missing(file: str) -> None:
    locked = pinned((ROOT / "requirements" / f"{file}.txt").read_text(encoding="utf8"))
    constraints = pinned((ROOT / "constraints.txt").read_text(encoding="utf8"))
    assert locked == {name: constraints.get(name) for name in locked}, "run ./lock"
    assert needed(file) - {"torch"} <= locked.keys(), "run ./lock"
