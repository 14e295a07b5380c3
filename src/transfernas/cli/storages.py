"""Optuna's storages, as the command line is told of them."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import optuna

_SQLITE, _HEADER = "sqlite:///", b"SQLite format 3\0"


class StudySelection(NamedTuple):
    """Studies of a storage.

    Attributes:
        studies: those with one objective, or those named.
        left_out: the names of those that were not named and have several.
    """

    studies: list["optuna.Study"]
    left_out: tuple[str, ...]


@contextmanager
def reading(storage: str) -> Iterator[None]:
    """Turns what a storage raises into one kind of error.

    Raises:
        ValueError: the storage cannot be read; the message says why.
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
    """Returns a storage for a message: the password in the URL of a server is hidden."""
    scheme, _, rest = storage.partition("://")
    login, at, place = rest.rpartition("@")
    user, colon, _ = login.partition(":")
    return f"{scheme}://{user}:***@{place}" if at and colon and not storage.startswith(_SQLITE) else storage


def program_of(storage: str) -> str:
    """Returns a storage as a program gives it to Optuna; the password of a server is hidden."""
    if "://" in storage:
        return repr(shown(storage))
    with open(storage, "rb") as file:
        database = file.read(len(_HEADER)) == _HEADER
    journal = f"optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend({storage!r}))"
    return repr(f"{_SQLITE}{storage}") if database else journal


def open_studies(storage: str, names: Sequence[str]) -> StudySelection:
    """Returns studies of Optuna's: those named, or all that have one objective.

    Args:
        storage: the URL of a database, or the path of a file: SQLite's or a journal's.
        names: of the studies.

    Raises:
        ValueError: there is no such storage or study; the message says which there are.
    """
    import optuna

    with reading(storage):
        place = _place(storage)
        summaries = optuna.get_all_study_summaries(place, include_best_trial=False)
        known = [summary.study_name for summary in summaries]
        if not known:
            raise ValueError(f"{shown(storage)} has no studies; is it a database or a journal of Optuna's?")
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
    """Returns a storage for Optuna, which makes what is not there and adds its tables to any database.

    Raises:
        ValueError: the storage is none.
    """
    if storage.startswith(_SQLITE):
        _check_database(storage.removeprefix(_SQLITE).partition("?")[0])
        return storage
    if storage.startswith("sqlite:"):
        raise ValueError(
            f"{storage!r} is no URL of a file; one is {_SQLITE}{storage.removeprefix('sqlite:').lstrip('/')}"
        )
    if "://" in storage:
        return storage
    if not Path(storage).is_file():
        raise ValueError(f"{storage!r} is neither the URL of a database, as in sqlite:///studies.db, nor a file")
    with open(storage, "rb") as file:
        database = file.read(len(_HEADER)) == _HEADER
    if database:
        _check_database(storage)
        return f"{_SQLITE}{storage}"
    return _journal(storage)


def _check_database(path: str) -> None:
    if not Path(path).is_file():
        raise ValueError(f"there is no file {path}")
    uri = f"{Path(path).resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'studies'").fetchone():
            raise ValueError(f"{path} is a database without studies of Optuna's")


def _journal(path: str) -> "optuna.storages.BaseStorage":
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    try:
        return JournalStorage(JournalFileBackend(path))
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError):
        raise ValueError(f"{path} is neither a SQLite database nor a journal of Optuna's, or it is damaged") from None
