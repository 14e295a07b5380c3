"""`transfernas pretrain`."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from enum import Enum
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from ..files import holds_studies
from ..processes.interrupts import calling_at_interrupt
from .common import check_writable, end, errors_as_lines, holds_knowledge, refused
from .storages import open_studies, reading
from .terminal import say

if TYPE_CHECKING:
    from rich.console import Console

    from ..agent import Agent
    from ..integrations.studies import ProgressFn
    from ..spaces.condition import Action


class _OnFailure(Enum):
    """The count of failed trials; see `learn_from_studies`."""

    IGNORE, WORST = "ignore", "worst"


@errors_as_lines()
def pretrain(
    storage: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="Storage of the studies: a URL such as sqlite:///studies.db, a SQLite or a journal file.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="File of the agent, written whole or not at all; a file that exists is an error, unless it is that of "
            "--from.",
        ),
    ],
    study: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A study to learn from; all with one objective by default.")
    ] = None,
    agent: Annotated[
        Path | None,
        typer.Option("--from", metavar="AGENT", help="File of an agent to continue; no trial is learned from twice."),
    ] = None,
    space: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the studies' space, which all its versions share.")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name of the studies' task; by default the name of each study."),
    ] = None,
    rename: Annotated[
        list[str] | None,
        typer.Option(metavar="OLD=NEW", help="A parameter of the studies, and the name to use instead."),
    ] = None,
    back_fill: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Fixed value of a parameter in the studies that lack the parameter."),
    ] = None,
    on_failure: Annotated[
        _OnFailure, typer.Option(help="Whether failed trials are left out, or are worse than all others.")
    ] = _OnFailure.IGNORE,
    seed: Annotated[int, typer.Option(min=0, help="Seed of a new agent.")] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file of --out; what its agent knows is lost.")
    ] = False,
) -> None:
    """Train an agent on all finished trials of old Optuna studies, by any sampler."""
    # Imported here, so that `transfernas --help` answers at once.
    from rich.console import Console

    from ..agent import Agent
    from ..integrations.optuna import SPACE
    from ..integrations.studies import NothingToLearnError, learn_from_studies

    _check_out(out, agent, overwrite)
    renamed = _pairs(rename or (), "--rename", "OLD=NEW", "lr=learning rate")
    filled = _pairs(back_fill or (), "--back-fill", "NAME=VALUE", "dropout=0.0")
    known = None if agent is None else Agent.load(agent)
    console, interrupted = Console(), Event()
    try:
        with reading(storage), _progress(console, interrupted) as progress:
            studies, left_out = open_studies(storage, study or ())
            for name in left_out:
                say(console, f"Left out: study {name!r} has several objectives; an agent learns from one")
            found, report = learn_from_studies(
                known,
                studies,
                task=task,
                space=SPACE if space is None else space,
                rename=renamed,
                back_fill={name: _value(text) for name, text in filled.items()},
                on_failure=on_failure.value,
                seed=seed,
                progress=progress,
            )
            path = found.save(out)
    except NothingToLearnError as nothing:
        if agent is None or known is None or not nothing.known:  # then the storage may be a wrong one
            raise
        text = str(nothing)
        say(console, f"{text[0].upper()}{text[1:]}. {_kept(known, agent, out)}")
        return
    say(console, report)
    say(console, f"The agent is in {path.resolve()}")
    end(interrupted.is_set(), f"go on with --from {path} --out {path}")


def _check_out(out: Path, agent: Path | None, overwrite: bool) -> None:
    """Checks the path of the agent before the learning.

    Raises:
        typer.BadParameter: The path is a folder, no file can be written there, or a file there would be lost.
    """
    if out.is_dir():
        raise refused(f"{out} is a folder; give the path of a file", "--out")
    if holds_studies(out):
        raise refused(f"{out} holds studies, which an agent would replace; choose another file", "--out")
    if out.exists() and not (_continues(agent, out) or overwrite):
        continuing = agent is None and holds_knowledge(out)
        way = f"add --from {out} to continue it, or" if continuing else "choose another file, or"
        raise refused(f"{out} exists; {way} --overwrite to replace it", "--out")
    check_writable(next(parent for parent in out.absolute().parents if parent.exists()))


def _continues(agent: Path | None, out: Path) -> bool:
    """Returns whether the agent's file is the one to write."""
    return agent is not None and agent.exists() and out.exists() and agent.samefile(out)


def _kept(known: "Agent", agent: Path, out: Path) -> str:
    """Makes `out` the file of an agent that learned nothing new, and returns a sentence for the user.

    Args:
        known: The agent.
        agent: The agent's file.
        out: The file to write; nothing is written if it is the agent's file.
    """
    if _continues(agent, out):
        return f"{out.resolve()} is as it was"
    return f"{known.save(out).resolve()} has the agent of {agent.resolve()} as it was"


def _pairs(texts: Sequence[str], option: str, form: str, example: str) -> dict[str, str]:
    """Returns the right sides of texts such as NAME=VALUE, by their left sides.

    Args:
        texts: The values of the option.
        option: The name of the option.
        form: The form of a text, as the help has it.
        example: A text of this form.

    Raises:
        typer.BadParameter: A text does not have this form.
    """
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise refused(f'{text!r} is not of the form {form}, as in {option} "{example}"', option)
        found[name] = value
    return found


def _value(text: str) -> "Action":
    """Returns the value of a text in JSON, or the text if it is not JSON, as in 0.5, true and relu."""
    import json

    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if value is None or isinstance(value, (bool, int, float, str)) else text


@contextmanager
def _progress(console: "Console", interrupted: Event) -> Iterator["ProgressFn"]:
    """Shows a bar, on a terminal from the start.

    After the studies are read, the first Ctrl-C ends the learning without a loss.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    bars = Progress(*columns, console=console)
    with ExitStack() as stack:

        def show() -> None:
            stack.enter_context(bars)
            bars.add_task("Reading", total=None, rate="")

        def progress(done: int, total: int) -> bool:
            if not bars.tasks:
                show()
            (task,) = bars.tasks
            if task.total is None:
                stack.enter_context(calling_at_interrupt(interrupted.set))
                bars.reset(task.id, description="Learning", total=total)
            rate = f"{done / task.elapsed:.0f} trials/s" if done and task.elapsed else ""
            bars.update(task.id, completed=done, rate=rate)
            return not interrupted.is_set()

        if console.is_terminal:
            show()
        yield progress
