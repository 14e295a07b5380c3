"""What several commands share."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    import optuna
    from rich.console import Console

    from ..benchmarks.nasbench101 import Cells
    from ..experiments.result import Result
    from ..experiments.stages import Stages
    from ..learning.config import TrainingConfig

INTERRUPTED = 130


def changed_config(changes: Sequence[str], fast: bool = False, **more: object) -> "TrainingConfig":
    """Returns the paper's hyperparameters, or the fast ones, with those given as FIELD=VALUE, and more.

    Raises:
        typer.BadParameter: one is not of that form, there is no such field, or together they are no configuration.
    """
    import dataclasses

    from ..learning.config import TrainingConfig

    base = TrainingConfig.fast if fast else TrainingConfig.paper
    defaults, found = dataclasses.asdict(base()), dict[str, object]()
    for change in changes:
        name, _, text = change.partition("=")
        if name not in defaults or not text:
            known = ", ".join(defaults)
            raise typer.BadParameter(f"{change!r} is not FIELD=VALUE with a field of {known}", param_hint="--change")
        try:
            kind = type(defaults[name])
            found[name] = {"True": True, "False": False}[text] if kind is bool else kind(text)
        except (KeyError, ValueError):
            raise typer.BadParameter(
                f"{change!r} needs a value like {defaults[name]!r}", param_hint="--change"
            ) from None
    try:
        return base(**{**more, **found})
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--change") from None


def make_folder(path: Path) -> Path:
    """Makes the folder for results.

    Raises:
        typer.BadParameter: it can not be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise typer.BadParameter(f"{path} can not be made: {error}", param_hint="--out") from None
    return path


def open_studies(storage: str, names: Sequence[str]) -> list["optuna.Study"]:
    """Returns studies of Optuna's: those named, or all that have one objective.

    Args:
        storage: the URL of a database, or the path of a journal's file.
        names: of the studies.

    Raises:
        ValueError: there is no such storage or study; the message says which there are.
    """
    import optuna
    from optuna.storages.journal import JournalFileBackend
    from sqlalchemy.exc import SQLAlchemyError

    journal, database = Path(storage), Path(storage.removeprefix("sqlite:///").partition("?")[0])
    if storage.startswith("sqlite:///") and not database.is_file():
        raise ValueError(f"there is no file {database}")  # or Optuna would make it
    if "://" not in storage and not journal.is_file():
        raise ValueError(f"{storage!r} is neither the URL of a database, as in sqlite:///studies.db, nor a file")
    try:
        place: str | optuna.storages.BaseStorage = storage
        if "://" not in storage:
            place = optuna.storages.JournalStorage(JournalFileBackend(storage))
        summaries = optuna.get_all_study_summaries(place, include_best_trial=False)
        known = [summary.study_name for summary in summaries]
        for name in names:
            if name not in known:
                raise ValueError(f"there is no study {name!r} in {storage}; it has {', '.join(known) or 'none'}")
        wanted = names or [summary.study_name for summary in summaries if len(summary.directions) == 1]
        return [optuna.load_study(study_name=name, storage=place) for name in wanted]
    except (SQLAlchemyError, ImportError, RuntimeError) as error:
        reason = getattr(error, "orig", None) or error  # without SQLAlchemy's query and link
        raise ValueError(f"{storage} can not be read: {reason}") from None


def load_table(path: Path | None) -> "Cells":
    """Returns the table of NAS-Bench-101, that of the cache unless a path is given.

    Raises:
        typer.BadParameter: there is none, or it is not as it should be.
    """
    from ..benchmarks.nasbench101 import load_cells
    from ..benchmarks.nasbench101_data import compact_file

    try:
        return load_cells(path or compact_file())
    except FileNotFoundError as error:
        raise typer.BadParameter(
            f"{error.filename} is missing: transfernas data nasbench101", param_hint="--data"
        ) from None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--data") from None


@contextmanager
def open_stages(out: Path, settings: Mapping[str, object], resume: bool) -> Iterator["Stages"]:
    """Opens the stages in a folder, or begins them, and keeps other processes out.

    Raises:
        typer.BadParameter: they can not be begun or resumed.
    """
    from ..experiments.stages import Stages

    with ExitStack() as stack:
        try:
            stages = Stages(out / "stages", settings, resume)
            stack.enter_context(stages.at_work())
        except (OSError, ValueError) as error:
            raise typer.BadParameter(str(error), param_hint="--resume" if resume else "--out") from None
        yield stages


def end(console: "Console", interrupted: bool) -> None:
    """Ends a command that was interrupted, and says how to go on."""
    if interrupted:
        console.print("Interrupted: the same command with --resume goes on from here.", highlight=False)
        sys.exit(INTERRUPTED)


def say_where(console: "Console", result: "Result", out: Path, files: Sequence[Path]) -> None:
    """Says how long it took, how much memory, and where the results are."""
    from ..experiments.result import peak_memory_mib

    names = ", ".join(str(file.relative_to(out)) for file in files if file.exists())
    resumed = " since it was resumed" if result.settings.get("resumed") else ""
    console.print(
        f"{result.seconds:.0f} s{resumed}, at most {peak_memory_mib():.0f} MiB. Results in {out.resolve()}: {names}",
        highlight=False,
        soft_wrap=True,
    )
