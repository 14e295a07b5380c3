"""`transfernas inspect`."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..spaces.vocabulary import counted
from .common import errors_as_lines, refused
from .storages import open_studies, reading
from .terminal import PlainTable, plain, say

if TYPE_CHECKING:
    from rich.console import Console

    from ..spaces.problem import Problem

_MOST = 8  # problems whose parameters are shown
_MOST_RECORDS = 5
_MOST_TASKS = 12  # other ones, for each problem
_KIB = 1024
_LEGEND = (
    "Likeness: of what the policy learned of two tasks, from -1 to 1; too early, while it has learned no difference. "
    "Agreement: of the values that were good in both. Values in both: how many values that compares; few are weak "
    "evidence."
)
_KEPT = (
    "Kept: different trials of a problem, at most 48. Trials whose numbers lie in the same parts of all ranges count "
    "once. The agent has learned from the other trials too."
)


@errors_as_lines()
def inspect(
    path: Annotated[Path, typer.Argument(metavar="AGENT", help="An agent's file.")],
    against: Annotated[
        str | None,
        typer.Option(
            metavar="AGENT|STUDY",
            help="Another agent's file, or a study of the storage: what the agent knows of its problems, before a "
            "single trial.",
        ),
    ] = None,
    storage: Annotated[
        str | None, typer.Option(metavar="URL", help="Where the study is, as in sqlite:///studies.db.")
    ] = None,
    space: Annotated[str | None, typer.Option(metavar="NAME", help="The name of the study's space.")] = None,
    task: Annotated[
        str | None, typer.Option(metavar="NAME", help="The name of its task; the study's own name by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")] = False,
) -> None:
    """Show an agent's file: what it learned from, its problems and parameters, importances, the likeness of tasks."""
    # Imported here, so that `transfernas --help` answers at once.
    import dataclasses
    import json

    from rich.console import Console

    from ..checkpoint.snapshot import read_snapshot
    from ..spaces.vocabulary import transfer_report
    from .inspection import inspection

    for option, value in (("--storage", storage), ("--space", space), ("--task", task)):
        if value is not None and (against is None or storage is None):
            raise refused("is about a study: --against STUDY --storage URL", option)
    if not path.exists():
        raise ValueError(
            f"there is no file {path}; name an agent's file, as sampler.save or `transfernas pretrain` write it"
        )
    console, snapshot = Console(), read_snapshot(path)
    problems = None if against is None else _problems(against, storage, space, task)
    found = inspection(path, snapshot)
    report = None if problems is None else transfer_report(snapshot.learner.vocabulary, problems)
    if as_json:
        if report is not None:
            found["against"] = {"name": against, **dataclasses.asdict(report)}
        typer.echo(json.dumps(found, indent=2, allow_nan=False))
        return
    _print(console, found)
    if report is not None:
        say(console, f"Of {against}:\n{report}")


def _problems(against: str, storage: str | None, space: str | None, task: str | None) -> tuple["Problem", ...]:
    """Returns the problems of an agent's file, or that of a study.

    Raises:
        CheckpointError, OSError, ValueError, typer.BadParameter: there is none.
    """
    from ..checkpoint.snapshot import read_snapshot

    if storage is None:
        if not Path(against).exists():
            raise refused(f"there is no file {against}; if it is a study, say where: --storage URL", "--against")
        return read_snapshot(Path(against)).learner.encoding.problems
    from ..integrations.optuna import SPACE
    from ..integrations.studies import problem_of

    with reading(storage):
        (study,) = open_studies(storage, (against,)).studies
        return (problem_of(study, space=SPACE if space is None else space, task=task),)


def _print(console: "Console", found: dict[str, Any]) -> None:
    from ..insight.importances import MEASURED, WEAK
    from ..insight.number_ranges import ENDS
    from .inspection import ABOUT

    for line in _lines(found):
        say(console, plain(line))
    console.print(_learned_from(found))
    if any(one["kept"] != one["trials"] for one in found["learned_from"]):
        say(console, _KEPT)
    if any(one.get("best_reward") is not None for one in (*found["learned_from"], *found["problems"])):
        say(console, "A reward is higher for better trials: a study that minimises has its values with the other sign.")
    for problem in found["problems"][:_MOST]:
        say(console, "")
        say(console, _problem_line(problem))
        console.print(_parameters(problem))
        if problem["importances_too_weak"]:
            say(console, f"Importances: {WEAK[0].lower()}{WEAK[1:]}")
        if problem.get("likeness"):
            console.print(_likeness(problem))
    shown = found["problems"][:_MOST]
    if any(one["range"].startswith(ABOUT) for problem in shown for one in problem["parameters"]):
        say(console, ENDS)
    if any(one["importance"] is not None for problem in shown for one in problem["parameters"]):
        say(console, MEASURED)
    if any(problem.get("likeness") for problem in shown):
        say(console, _LEGEND)
    if len(found["problems"]) > _MOST:
        say(console, f"{counted(len(found['problems']) - _MOST, 'more problem')}; --json has all of them")


def _lines(found: dict[str, Any]) -> list[str]:
    replicas, policies = found["replicas"], found["policies"]
    what = "an agent" if replicas == 1 else f"{replicas} replicas of an experiment"
    saved = datetime.fromisoformat(found["saved"])
    shown = f", {len(policies)} policies each: transferred and new" if len(policies) > 1 else ""
    names, differs = found["names"], found["configuration_differs"]
    changes = ", ".join(f"{path}={value}" for path, value in differs["in"].items())
    parts = ", ".join(f"{part} {_kib(size)}" for part, size in found["bytes"].items() if size >= _KIB)
    lines = [
        f"{found['file']}: {what}, saved {saved:%Y-%m-%d %H:%M}, seed {found['seed']}",
        f"Searches now: {counted(found['trials'], 'trial')} told, {found['open_trials']:,} open",
        f"Network: {found['network']}, {counted(found['network_parameters'], 'parameter')}{shown}",
        f"Knows {counted(names['states'], 'state')} and {counted(names['tasks'], 'task')} by name",
        f"Hyperparameters: {differs['from']}{f' with {changes}' if changes else ''}",
        f"Takes {_kib(sum(found['bytes'].values()))}: {parts}",
    ]
    if records := found["records"]:
        some = ", ".join(map(_record, records[-_MOST_RECORDS:]))
        more = f", and {len(records) - _MOST_RECORDS:,} before" if len(records) > _MOST_RECORDS else ""
        lines.append(f"Finished trials of studies and other records, failed ones among them: {some}{more}")
    return lines


def _kib(size: int) -> str:
    return f"{size / _KIB:,.0f} KiB"


def _record(one: dict[str, Any]) -> str:
    """Returns a record with the day on which it began, if its name says when."""
    name, _, began = one["record"].rpartition(" ")
    try:
        shown = f"{name} of {datetime.fromisoformat(began):%Y-%m-%d}" if name else one["record"]
    except ValueError:  # the name has no date
        shown = one["record"]
    return f"{shown} ({one['trials']:,})"


def _learned_from(found: dict[str, Any]) -> PlainTable:
    table = PlainTable("space", "task", title="Learned from", title_justify="left")
    for head in ("trials", "kept", "best reward"):
        table.head(head, right=True)
    for one in found["learned_from"]:
        best = one.get("best_reward")
        table.row(one["space"], one["task"], _range(one["trials"]), _range(one["kept"]), _number(best))
    return table


def _range(counts: int | Sequence[int]) -> str:
    """Returns a number of each replica as text."""
    low, high = (counts, counts) if isinstance(counts, int) else (min(counts), max(counts))
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:z.5g}"


def _problem_line(problem: dict[str, Any]) -> str:
    size, best = problem["configurations"], problem["best_reward"]
    trials = problem["trials"]
    told = counted(trials, "trial") if isinstance(trials, int) else f"{_range(trials)} trials"
    of = "too many configurations to count" if size is None else counted(size, "configuration")
    of += " (a part of a range counts as one value)" if problem["has_parts"] and size is not None else ""
    ending = "" if best is None else f", best reward {_number(best)}"
    return f"Task {plain(problem['task'])}, space {plain(problem['space'])}: {told} of {of}{ending}"


def _parameters(problem: dict[str, Any]) -> PlainTable:
    source = problem["importances_from"]
    table = PlainTable("parameter", "values")
    table.head("importance" if source != "other problems" else "importance elsewhere", right=True)
    for one in problem["parameters"]:
        share = "-" if one["importance"] is None else f"{100 * one['importance']:.0f} %"
        table.row(one["name"], one["range"] + (", conditional" if one["conditional"] else ""), share)
    return table


def _likeness(problem: dict[str, Any]) -> PlainTable:
    left = len(problem["likeness"]) - _MOST_TASKS
    words = f"{counted(left, 'task')} less like it left out; --json has all" if left > 0 else ""
    table = PlainTable("other task", "space", caption=words)
    for head in ("likeness", "agreement", "values in both"):
        table.head(head, right=True)
    for one in problem["likeness"][:_MOST_TASKS]:
        cosine, agreement = ("-" if one[name] is None else f"{one[name]:z.2f}" for name in ("cosine", "agreement"))
        near = "too early" if one["too_early"] else cosine
        table.row(one["task"], one["space"], near, agreement, f"{one['shared']:,}")
    return table
