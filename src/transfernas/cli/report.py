"""`transfernas report`."""

import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..extras import install_command
from ..files import is_agent
from .common import check_writable, errors_as_lines, holds_knowledge, refused
from .storages import open_studies, program_of, reading
from .storages import shown as shown_storage
from .terminal import say

if TYPE_CHECKING:
    from ..agent import Agent
    from .sections import Page

page_of_run: "Callable[[Path, Path], Page] | None" = None
"""Returns the page about a run in a folder, for a file, or refuses the file; the laboratory sets the function."""


@errors_as_lines()
def report(
    source: Annotated[
        str,
        typer.Argument(
            metavar="STORAGE|AGENT|RUN",
            help="A storage of Optuna's, as in sqlite:///studies.db; an agent's file; or the folder of a run.",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The page; it is written whole or not at all.")] = Path(
        "report.html"
    ),
    study: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A study of the storage, or a task of the agent; all of them by default."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="NAME|AGENT", help="A study of the storage, or an agent's file, to compare with."),
    ] = None,
    agent: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The agent of a study: its beliefs and its configuration are shown too."),
    ] = None,
) -> None:
    """Write one page of HTML about a search: who proposed, which gain, what the agent believes, how to go on."""
    # Imported here, so that `transfernas --help` answers at once.
    from rich.console import Console

    from ..files import write_atomically

    if out.is_dir():
        raise refused(f"{out} is a folder; the report is to be a file, as in {out / 'report.html'}", "--out")
    if any(out.exists() and Path(each).exists() and out.samefile(each) for each in (source, agent) if each):
        raise refused(f"{out} is what the report is about; choose another file", "--out")
    if holds_knowledge(out):
        raise refused(f"{out} holds an agent or studies, not a report; choose another file", "--out")
    check_writable(next(parent for parent in out.absolute().parents if parent.exists()))
    page = _page(source, out, study, against, agent)
    command = ["transfernas", "report", shown_storage(source), "--out", str(out)]
    for option, value in (("--study", study), ("--against", against), ("--agent", agent)):
        command += [] if value is None else [option, str(value)]
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    write_atomically(out, page.html(shlex.join(command), made).encode("utf8", "backslashreplace"))
    for words in page.notices:
        say(Console(stderr=True), f"Note: {words}")
    say(Console(), f"The report is in {out.resolve()}")


def _page(source: str, out: Path, study: str | None, against: str | None, agent: Path | None) -> "Page":
    """Returns the page about a storage, an agent or a run.

    Raises:
        CheckpointError, OSError, ValueError, typer.BadParameter: there is none, or an option does not fit it.
    """
    from .pages import agent_page

    path = Path(source)
    if path.is_dir():
        for option, value in (("--study", study), ("--against", against), ("--agent", agent)):
            if value is not None:
                raise refused(f"is about a storage or an agent, not about the folder of a run, {path}", option)
        if page_of_run is None:
            raise ValueError(f"the report about a run needs the extra 'bench': run {install_command('bench')}")
        return page_of_run(path, out)
    if "://" not in source and not path.exists():
        raise ValueError(
            f"there is no {source}: name a storage, as in sqlite:///studies.db, an agent's file, or a folder"
        )
    if "://" not in source and is_agent(path):
        if agent is not None:
            raise refused(f"is for a storage; {path} is an agent itself", "--agent")
        other = None if against is None else (_load(Path(against)), against)
        return agent_page(_load(path), path, study, other)
    return _storage_page(source, study, against, agent)


def _storage_page(source: str, study: str | None, against: str | None, agent: Path | None) -> "Page":
    from ..integrations.optuna.record import record_of_study
    from .pages import study_page

    with reading(source):
        studies = open_studies(source, () if study is None else (study,)).studies
        other = None if against is None else open_studies(source, (against,)).studies[0]
        studies = [each for each in studies if each.study_name != against]
        if not studies:
            raise refused(f"{against!r} is the only study; there is no other one to compare it with", "--against")
        loaded = None if agent is None else (_load(agent), agent)
        return study_page(studies, None if other is None else record_of_study(other), loaded, program_of(source))


def _load(path: Path) -> "Agent":
    from ..agent import Agent

    return Agent.load(path)
