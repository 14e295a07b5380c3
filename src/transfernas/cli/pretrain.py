"""`transfernas pretrain`."""

import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .common import INTERRUPTED, open_studies

if TYPE_CHECKING:
    from rich.console import Console

    from ..integrations.studies import ProgressFn
    from ..spaces.condition import Action


def pretrain(
    storage: Annotated[
        str, typer.Option(metavar="URL", help="Where the studies are, as in sqlite:///studies.db, or a journal's file.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The agent's file; it is written whole or not at all.")],
    study: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A study to learn from; all with one objective by default.")
    ] = None,
    agent: Annotated[
        Path | None,
        typer.Option("--from", metavar="AGENT", help="An agent's file to go on from; it knows what it learned from."),
    ] = None,
    space: Annotated[
        str | None, typer.Option(metavar="NAME", help="The name of the studies' space, in all its versions.")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The name of the studies' task; each study's own name by default."),
    ] = None,
    rename: Annotated[
        list[str] | None,
        typer.Option(metavar="OLD=NEW", help="A parameter of the studies, and the name of one that means the same."),
    ] = None,
    fill: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="What a parameter was in the studies that did not have it."),
    ] = None,
    worst: Annotated[
        bool, typer.Option("--failures-are-worst", help="Learn that trials that failed are worse than all others.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of a new agent.")] = 0,
) -> None:
    """Train an agent on all finished trials of old Optuna studies, whatever proposed them."""
    # Imported here, so that `transfernas --help` answers at once.
    from rich.console import Console

    from ..agent import Agent
    from ..checkpoint import CheckpointError
    from ..integrations.optuna import SPACE
    from ..integrations.studies import learn_from_studies

    if out.is_dir():
        raise typer.BadParameter(f"{out} is a folder; the agent is to be a file", param_hint="--out")
    console, interrupted = Console(), list[int]()
    try:
        with _progress(console, interrupted) as progress:
            found, report = learn_from_studies(
                None if agent is None else Agent.load(agent),
                open_studies(storage, study or ()),
                task=task,
                space=space or SPACE,
                rename=_pairs(rename or (), "--rename"),
                back_fill={name: _value(text) for name, text in _pairs(fill or (), "--fill").items()},
                on_failure="worst" if worst else "ignore",
                seed=seed,
                progress=progress,
            )
        path = found.save(out)
    except (CheckpointError, OSError, ValueError) as error:
        Console(stderr=True).print(f"Error: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    console.print(str(report), markup=False, highlight=False, soft_wrap=True)
    console.print(f"The agent is in {path.resolve()}", markup=False, highlight=False, soft_wrap=True)
    if interrupted:
        console.print(f"Interrupted: go on with --from {path} --out {path}", markup=False, highlight=False)
        sys.exit(INTERRUPTED)


def _pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    """Returns what is given as NAME=VALUE.

    Raises:
        typer.BadParameter: one is not of that form.
    """
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise typer.BadParameter(f"{text!r} is not of the form NAME=VALUE", param_hint=option)
        found[name] = value
    return found


def _value(text: str) -> "Action":
    """Returns a value as it is written in JSON, or the text itself, as in 0.5, true and relu."""
    import json

    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if value is None or isinstance(value, (bool, int, float, str)) else text


@contextmanager
def _progress(console: "Console", interrupted: list[int]) -> Iterator["ProgressFn"]:
    """Shows a bar: trials learned from, rate, time left. The first Ctrl-C ends the learning, and nothing is lost."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("Learning"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )

    def interrupt(number: int, _: object) -> None:
        interrupted.append(number)
        signal.signal(signal.SIGINT, earlier)  # the second ends the command

    earlier = signal.signal(signal.SIGINT, interrupt)
    try:
        with Progress(*columns, console=console) as bars:
            task, begin = bars.add_task("", total=None, rate=""), time.perf_counter()

            def progress(done: int, total: int) -> bool:
                rate = f"{done / (time.perf_counter() - begin):.0f} trials/s"
                bars.update(task, completed=done, total=total, rate=rate)
                return not interrupted

            yield progress
    finally:
        signal.signal(signal.SIGINT, earlier)
