"""Opens the studies of Optuna's storages from the options of the command line."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..files import is_agent, is_database

if TYPE_CHECKING:
    import optuna

_SQLITE = "sqlite:///"


class StudySelection(NamedTuple):
    """Studies of a storage.

    Attributes:
        studies: The named studies, or all studies with a single objective.
        left_out: Names of the studies with several objectives, if no study was named.
    """

    studies: list["optuna.Study"]
    left_out: tuple[str, ...]


@contextmanager
def reading(storage: str) -> Iterator[None]:
    """Converts the errors of a storage to ValueError.

    Raises:
        ValueError: The storage cannot be read; the message gives the reason.
    """
    from optuna.exceptions import OptunaError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, OptunaError, ImportError, RuntimeError, sqlite3.Error) as error:
        cause = error.__cause__ if isinstance(error, OptunaError) and error.__cause__ is not None else error
        reason = getattr(cause, "orig", None) or cause  # without SQLAlchemy's query and link
        raise ValueError(f"{shown(storage)} cannot be read: {reason}") from None


def shown(storage: str) -> str:
    """Returns a storage for a message, without the password in the URL of a server."""
    scheme, _, rest = storage.partition("://")
    login, at, place = rest.rpartition("@")
    user, colon, _ = login.partition(":")
    return f"{scheme}://{user}:***@{place}" if at and colon and not storage.startswith(_SQLITE) else storage


def program_of(storage: str) -> str:
    """Returns a storage as a program gives it to Optuna; the password of a server is hidden."""
    if "://" in storage:
        return repr(shown(storage))
    journal = f"optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend({storage!r}))"
    return repr(f"{_SQLITE}{storage}") if is_database(Path(storage)) else journal


def open_studies(storage: str, names: Sequence[str]) -> StudySelection:
    """Returns the studies of given names, or all studies with a single objective.

    Args:
        storage: URL of a database, or path of a SQLite or journal file.
        names: Names of the studies; empty for all.

    Raises:
        ValueError: The storage or a study does not exist; the message names the studies of the storage.
    """
    import optuna

    with reading(storage):
        place = _place(storage)
        summaries = optuna.get_all_study_summaries(place, include_best_trial=False)
        known = [summary.study_name for summary in summaries]
        if not known:
            raise ValueError(f"{shown(storage)} has no studies; is it an Optuna database or journal?")
        for name in names:
            if name not in known:
                raise ValueError(f"there is no study {name!r} in {shown(storage)}; it has {', '.join(known) or 'none'}")
        single = [summary.study_name for summary in summaries if len(summary.directions) == 1]
        wanted = list(names) or single
        if not wanted:
            raise ValueError(f"every study in {shown(storage)} has several objectives; an agent learns from one")
        left_out = () if names else tuple(name for name in known if name not in single)
        return StudySelection([optuna.load_study(study_name=name, storage=place) for name in wanted], left_out)


def _place(storage: str) -> "str | optuna.storages.BaseStorage":
    """Returns a storage for Optuna after a check, because Optuna would create a missing file or missing tables.

    Raises:
        ValueError: The storage is neither the URL of a database nor a file with studies.
    """
    file = storage.removeprefix(_SQLITE).partition("?")[0] if storage.startswith(_SQLITE) else storage
    if is_agent(Path(file)):
        raise ValueError(
            f"{file} is the file of an agent, not a storage of studies: pretrain takes it by --from, and `transfernas "
            f"inspect {file}` shows what it knows"
        )
    if storage.startswith(_SQLITE):
        _check_database(file)
        return storage
    if storage.startswith("sqlite:"):
        right = _SQLITE + storage.removeprefix("sqlite:").lstrip("/")
        raise ValueError(f"{storage!r} is not the URL of a file; the right form is {right}")
    if "://" in storage:
        _check_url(storage)
        return storage
    if not Path(storage).is_file():
        raise ValueError(f"{storage!r} is neither the URL of a database, as in sqlite:///studies.db, nor a file")
    if is_database(Path(storage)):
        _check_database(storage)
        return f"{_SQLITE}{storage}"
    return _journal(storage)


def _check_url(storage: str) -> None:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        make_url(storage).get_dialect()
    except ArgumentError:  # no URL, or one of an unknown kind of database
        raise ValueError(
            f"{shown(storage)} is not the URL of a known kind of database; give a URL as in sqlite:///studies.db or "
            f"postgresql://user@host/studies, or the path of a journal file"
        ) from None


def _check_database(path: str) -> None:
    if not Path(path).is_file():
        raise ValueError(
            f"there is no file {path}; give the database that Optuna made, as in sqlite:///studies.db for a file in "
            f"this folder, or sqlite:////home/me/studies.db"
        )
    uri = f"{Path(path).resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'studies'").fetchone():
            raise ValueError(f"{path} is a database without Optuna studies")


def _journal(path: str) -> "optuna.storages.BaseStorage":
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    try:
        return JournalStorage(JournalFileBackend(path))
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError):
        raise ValueError(f"{path} is neither a SQLite database nor an Optuna journal, or is damaged") from None
