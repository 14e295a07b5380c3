"""Shows results as tables and progress bars on a terminal, independently of the experiments."""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from transfernas.cli.terminal import PlainTable, plain, shown
from transfernas.files import write_atomically
from transfernas.spaces.vocabulary import counted

from .experiments.compare import MILESTONES, REFERENCE, REFERENCE_TRIALS, ComparisonResult
from .experiments.ranking import MethodRanking
from .experiments.result import NamedRatio, Result, TableRow, table_of
from .experiments.statistics import Interval, Ratio, Reached
from .experiments.suite import TransferScenario
from .listing import say_list

_LOST = "Mean normalised regret (%)"
_SCENARIO_TRIALS = (20, 100, 200)  # numbers of trials with a table of the regrets of each scenario


@contextmanager
def progress_bars(
    console: Console, percent: bool = True, stages: int = 0
) -> Iterator[Callable[[str, int], Callable[[int, float], None]]]:
    """Shows a bar for each stage of a job: trials done, rate, best so far, time left.

    Args:
        console: Console of the bars.
        percent: Whether the best is an accuracy, shown in percent.
        stages: Number of stages if they are too many for the screen, so that a bar counts the stages done; 0 otherwise.

    Yields:
        Function from the name and the number of trials of a stage to the function that receives the progress.
    """
    columns: tuple[ProgressColumn, ...] = (
        TextColumn("{task.description:<21}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TextColumn("{task.fields[best]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=console) as progress:
        whole = progress.add_task("searches", total=stages, best="") if stages else None

        def stage(name: str, trials: int) -> Callable[[int, float], None]:
            if not console.is_terminal:  # a log shows no bars, so it names the stages
                console.print(shown(f"{name}: {trials} trials"))
            task = progress.add_task(plain(name), total=trials, best="best -")

            def advance(done: int, best: float) -> None:
                progress.update(
                    task, completed=done, best=f"best {100 * best:.2f} %" if percent else f"best {best:.2f}"
                )
                if whole is not None and done >= trials:
                    progress.remove_task(task)
                    progress.advance(whole)

            return advance

        yield stage


def incumbent_table(result: Result, title: str) -> PlainTable:
    """Returns the mean accuracies of the incumbents, with a row for each milestone and a column for each searcher."""
    caption = "mean accuracy (%) over all runs of the cell that looked best so far in one run, ± half its 95 % interval"
    return _by_trials(result, result.table, title, caption)


def accuracy_table(result: Result, title: str) -> PlainTable:
    """Returns the mean test accuracies of the incumbents, in the form of `incumbent_table`."""
    counts = sorted({row.trials for row in result.table})
    caption = "mean test accuracy (%) over all runs of the same cells, ± half its 95 % interval"
    return _by_trials(result, table_of(result.curves, counts, test=True), title, caption)


def ratio_table(result: Result, title: str) -> PlainTable:
    """Returns the trials that each curve needs for each target, and the ratios of trials."""
    table = PlainTable(title=title, caption="ratio of trials (95 % interval of a bootstrap over the replicas)")
    table.head("accuracy (%)", right=True)
    for name in result.curves:
        table.head(name, right=True)
    pairs = list(dict.fromkeys((named.of, named.to) for named in result.ratios))
    for of, to in pairs:
        table.head(f"{of} / {to}", right=True)
    needed = {(named.name, named.reached.target): named.reached.trials for named in result.reached}
    ratios = {(named.of, named.to, named.ratio.target): named.ratio for named in result.ratios}
    for target in sorted({named.reached.target for named in result.reached}):
        trials = [_trials_cell(needed[name, target], curve.values.shape[1]) for name, curve in result.curves.items()]
        table.row(f"{100 * target:.2f}", *trials, *(_ratio_cell(ratios[of, to, target]) for of, to in pairs))
    return table


def choice_table(result: Result, title: str) -> PlainTable:
    """Returns the values that a choice was based on, with a row for each candidate."""
    table = PlainTable("choice", "mean (%)", title=title)
    for row in result.choice:
        table.row(row.name, _cell(row))
    return table


def reached_table(result: Result, title: str) -> PlainTable:
    """Returns the trials at which curves reached targets, with a row for each curve and a column for each target."""
    table = PlainTable(title=title, caption="trials (95 % interval of a bootstrap over the replicas)")
    table.head("")
    targets = sorted({named.reached.target for named in result.reached})
    for target in targets:
        table.head(f"{target:g}", right=True)
    cells = {(named.name, named.reached.target): named.reached for named in result.reached}
    for name in result.curves:
        trials = result.curves[name].values.shape[1]
        table.row(name, *(_reached_cell(cells[name, target], trials) for target in targets))
    return table


def list_scenarios(console: Console, scenarios: Sequence[TransferScenario]) -> None:
    """Prints the name of each scenario, and describes the scenario as far as the terminal is wide."""
    rows = list[tuple[str, tuple[str, ...]]]()
    for scenario in scenarios:
        spaces: dict[str, list[str]] = {}
        for task_ref in scenario.sources:
            spaces.setdefault(task_ref.space_name, []).append(task_ref.task)
        sources = [f"{name}: {', '.join(tasks)}" for name, tasks in spaces.items()]
        renamed = [f"{old} is {new}" for old, new in scenario.rename.items()]
        learned_from = "; ".join(sources + renamed)
        group = f"{scenario.kind} ({scenario.half})"
        rows.append((group, (scenario.name, scenario.target.name, learned_from)))
    say_list(console, counted(len(rows), "scenario"), ("scenario", "searched", "learned from"), rows)


def comparison_tables(outcome: ComparisonResult) -> list[PlainTable]:
    """Returns the tables of a comparison: scenarios, trials to the reference, mean ranks, mean regrets, differences."""
    rows, ranked = outcome.result.table, "Mean rank (1 is best)"
    counts = sorted({row.trials for row in rows} & set(_SCENARIO_TRIALS)) or [
        max((row.trials for row in rows), default=0)
    ]
    tables = [_scenario_regrets(outcome, count) for count in counts]
    if outcome.result.ratios:
        tables.append(_scenario_ratios(outcome))
    if outcome.rankings:
        tables += [_ranking_table(outcome, outcome.rankings, *each) for each in ((ranked, 1), (_LOST, 100))]
    if outcome.from_scratch:
        tables.append(_ranking_table(outcome, outcome.from_scratch, f"{ranked}, without sources", 1))
    tables += [_difference_table(outcome)] if outcome.differences else []
    return tables + ([_harm_table(outcome)] if outcome.by_scenario else [])


def write_tables(path: Path, tables: Iterable[PlainTable]) -> Path:
    """Writes tables as text, wide enough for all columns."""
    content = io.StringIO()
    wide = Console(file=content, width=240)
    for table in tables:
        wide.print(table)
    write_atomically(path, content.getvalue().encode())
    return path


def cost_line(outcome: ComparisonResult) -> str:
    """Returns a line with the cost of a trial for each method."""
    costs = ", ".join(f"{method} {1000 * seconds:.2g} ms" for method, seconds in outcome.seconds.items())
    return (
        f"Ask and tell, median over the trials, beside another search: {costs}. The agents' replicas run in lockstep, "
        "and the time is divided by their number: a single agent takes longer."
    )


def _scenario_regrets(outcome: ComparisonResult, count: int) -> PlainTable:
    caption = "mean of the replicas, ± half its 95 % interval; 0 is the best configuration, 100 the median one"
    table = PlainTable(title=f"Normalised regret (%) after {count} trials", caption=caption)
    return _by_scenario(table, outcome, {row.name: _cell(row) for row in outcome.result.table if row.trials == count})


def _scenario_ratios(outcome: ComparisonResult) -> PlainTable:
    caption = f"{REFERENCE}'s trials over the method's (95 % interval of a bootstrap over the replicas)"
    title = f"How many times fewer trials for the mean value of {REFERENCE} after {REFERENCE_TRIALS}"
    curves, cells = outcome.result.curves, dict[str, str]()
    for named in outcome.result.ratios:
        cells[named.to] = _ratio_cell(named.ratio)
        if named.ratio.trials_of and named.ratio.trials_to is None:
            # The method does not reach the target in all its trials.
            cells[named.to] = f"< {named.ratio.trials_of / curves[named.to].values.shape[1]:.1f}"
    return _by_scenario(PlainTable(title=title, caption=caption), outcome, cells)


def _by_scenario(table: PlainTable, outcome: ComparisonResult, cells: Mapping[str, str]) -> PlainTable:
    table.head("scenario", whole=True)
    methods = [name for name in outcome.seconds if any(cell.endswith(f"/{name}") for cell in cells)]
    for method in methods:
        table.head(method, right=True)
    for scenario in dict.fromkeys(name.rpartition("/")[0] for name in outcome.result.curves):
        table.row(scenario, *(cells.get(f"{scenario}/{method}", "") for method in methods))
    return table


def _ranking_table(outcome: ComparisonResult, rankings: Sequence[MethodRanking], title: str, scale: int) -> PlainTable:
    """Returns mean ranks if the scale is 1, or mean regrets in percent if the scale is 100."""
    difference = outcome.result.summary["critical_difference"]
    shown = rankings is outcome.rankings and scale == 1 and difference is not None
    nemenyi = f"; critical difference over all by Nemenyi {difference:.2f}" if shown else ""
    caption = f"± half the 95 % interval of a bootstrap over scenarios and replicas{nemenyi}"
    table = PlainTable(title=title, caption=caption)
    methods = list(dict.fromkeys(row.method for row in rankings))
    table.head("scenarios")
    for name in ("trials", *methods):
        table.head(name, right=True)
    cells = {
        (row.kind, row.trials, row.method): _around(row.rank if scale == 1 else row.regret, scale) for row in rankings
    }
    for kind, scenarios in dict.fromkeys((row.kind, row.scenarios) for row in rankings):
        table.add_section()
        for count in _milestones(row.trials for row in rankings):
            table.row(f"{kind} ({scenarios})", str(count), *(cells[kind, count, method] for method in methods))
    return table


def _difference_table(outcome: ComparisonResult) -> PlainTable:
    """Returns the differences over all scenarios, and for the first pair also by kind."""
    caption = (
        "below 0 the first is better; ± half the 95 % interval of a bootstrap; in brackets as a share of the second's"
    )
    table = PlainTable(title="Differences of mean normalised regrets (%)", caption=caption)
    counts = _milestones(row.trials for row in outcome.differences)
    for name in ("", "scenarios"):
        table.head(name)
    for count in counts:
        table.head(f"{count} trials", right=True)
    for of, to in dict.fromkeys((row.of, row.to) for row in outcome.differences):
        pair = [row for row in outcome.differences if (row.of, row.to) == (of, to)]
        if pair[0] is not outcome.differences[0]:
            pair = [row for row in pair if row.kind == pair[0].kind]
        table.add_section()
        for kind, scenarios in dict.fromkeys((row.kind, row.scenarios) for row in pair):
            rows = {row.trials: row for row in pair if row.kind == kind}
            cells = [f"{_around(rows[count].regret, 100)} ({100 * rows[count].share:+.0f} %)" for count in counts]
            table.row(f"{of} less {to}", f"{kind} ({scenarios})", *cells)
    return table


def _harm_table(outcome: ComparisonResult) -> PlainTable:
    """Returns the differences of the first pair on each scenario, and the number of those where the first is worse."""
    first, rows = outcome.by_scenario[0], {(row.scenario, row.trials): row for row in outcome.by_scenario}
    counts = sorted({row.trials for row in outcome.by_scenario})
    worse = sum(row.regret.low > 0 for row in rows.values())
    surely = sum(row.together.low > 0 for row in rows.values())
    caption = (
        f"± half the 95 % interval of a bootstrap over the replicas; * worse beyond it: {worse} of {len(rows)}, where "
        f"about {len(rows) / 40:.1f} would be by chance if the two were equal; ** beyond intervals that all hold at "
        f"once: {surely}"
    )
    title = f"Normalised regret (%) of {first.of} less that of {first.to}, after so many trials"
    table = PlainTable(title=title, caption=caption)
    table.head("scenario", whole=True)
    for count in counts:
        table.head(str(count), right=True)
    for scenario in dict.fromkeys(row.scenario for row in outcome.by_scenario):
        found = [rows[scenario, count] for count in counts]
        stars = ((row.regret.low > 0) + (row.together.low > 0) for row in found)
        table.row(scenario, *(f"{_around(row.regret, 100)}{'*' * n:<2}" for row, n in zip(found, stars, strict=True)))
    return table


def _milestones(trials: Iterable[int]) -> list[int]:
    there = sorted(set(trials))
    return [count for count in there if count in MILESTONES or count == there[-1]]


def _around(interval: Interval, scale: float = 1) -> str:
    return f"{scale * interval.mean:.2f} ± {scale * (interval.high - interval.low) / 2:.2f}"


def _by_trials(result: Result, rows: Sequence[TableRow], title: str, caption: str) -> PlainTable:
    table = PlainTable(title=title, caption=caption)
    table.head("trials", right=True)
    for name in result.curves:
        table.head(name, right=True)
    cells = {(row.trials, row.name): _cell(row) for row in rows}
    for count in sorted({row.trials for row in rows}):
        table.row(str(count), *(cells.get((count, name), "") for name in result.curves))
    return table


def _trials_cell(needed: int | None, run: int) -> str:
    return f"> {run}" if needed is None else str(needed)


def _reached_cell(reached: Reached, run: int) -> str:
    ends = [_trials_cell(end, run) for end in (reached.trials, reached.low, reached.high)]
    return f"{ends[0]} ({ends[1]} to {ends[2]})"


def ratio_lines(ratios: Sequence[NamedRatio]) -> list[str]:
    """Returns a sentence for each ratio of trials."""
    return [_ratio_line(named) for named in ratios]


def _cell(row: TableRow) -> str:
    half = "" if row.high != row.high else f" ± {100 * (row.high - row.mean):.2f}"
    return f"{100 * row.mean:.2f}{half}"


def _ratio_cell(ratio: Ratio) -> str:
    ends = ["?" if end is None else f"{end:.1f}" for end in (ratio.ratio, ratio.low, ratio.high)]
    return f"{ends[0]} ({ends[1]} to {ends[2]})"


def _ratio_line(named: NamedRatio) -> str:
    ratio = named.ratio
    target = f"{100 * ratio.target:.2f} %"
    needed = [f"{n} trials" if n else "more trials than were run" for n in (ratio.trials_of, ratio.trials_to)]
    line = f"To reach {target}: {named.of} {needed[0]}, {named.to} {needed[1]}"
    if ratio.ratio is None:
        return line
    low = "below any bound" if ratio.low is None else f"{ratio.low:.1f}"
    high = "above any bound" if ratio.high is None else f"{ratio.high:.1f}"
    if ratio.ratio < 1:
        return f"{line}: a ratio of {ratio.ratio:.1f} (95 % interval {low} to {high}), {named.to} needs more"
    return f"{line}: {ratio.ratio:.1f} times fewer (95 % interval {low} to {high})"


class _RateColumn(ProgressColumn):
    """Column with the trials per second, each of all replicas."""

    def render(self, task: Task) -> Text:
        """Returns the rate so far; empty for a bar that counts stages."""
        if not task.fields["best"]:
            return Text("")
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.0f} trials/s" if speed else "- trials/s")
