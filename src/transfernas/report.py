"""Results as tables and progress bars on a terminal; they know nothing of how the results came about."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from .experiments.result import NamedRatio, Result, Row, table_of
from .experiments.statistics import Ratio, Reached


@contextmanager
def progress_bars(
    console: Console, percent: bool = True
) -> Iterator[Callable[[str, int], Callable[[int, float], None]]]:
    """Shows a bar for each stage of a job: done, rate, best so far, time left.

    Args:
        console: where.
        percent: whether the best is an accuracy, shown in percent.

    Yields:
        From a stage's name and its number of trials to a function told how many are done and the best so far.
    """
    columns: tuple[ProgressColumn, ...] = (
        TextColumn("{task.description:<21}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TextColumn("best {task.fields[best]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=console) as progress:

        def stage(name: str, trials: int) -> Callable[[int, float], None]:
            if not console.is_terminal:  # where no bar moves, a log tells how far it is
                console.print(f"{name}: {trials} trials", highlight=False)
            return partial(_advance, progress, progress.add_task(name, total=trials, best="-"), percent)

        yield stage


def _advance(progress: Progress, task: TaskID, percent: bool, done: int, best: float) -> None:
    progress.update(task, completed=done, best=f"{100 * best:.2f} %" if percent else f"{best:.2f}")


def incumbent_table(result: Result, title: str) -> Table:
    """Returns the mean accuracy of the incumbents with 95 % intervals, a row a milestone and a column a searcher."""
    caption = "mean accuracy (%) over all runs of the cell that looked best so far in one run, ± half its 95 % interval"
    return _by_trials(result, result.table, title, caption)


def accuracy_table(result: Result, title: str) -> Table:
    """Returns the same of the incumbents' test accuracies."""
    counts = sorted({row.trials for row in result.table})
    caption = "mean test accuracy (%) over all runs of the same cells, ± half its 95 % interval"
    return _by_trials(result, table_of(result.curves, counts, test=True), title, caption)


def ratio_table(result: Result, title: str) -> Table:
    """Returns the trials that each curve needs for each target and how many times fewer the faster ones do."""
    table = Table(title=title, caption="ratio of trials (95 % interval of a bootstrap over the replicas)")
    table.add_column("accuracy (%)", justify="right")
    for name in result.curves:
        table.add_column(name, justify="right")
    pairs = list(dict.fromkeys((named.of, named.to) for named in result.ratios))
    for of, to in pairs:
        table.add_column(f"{of} / {to}", justify="right")
    needed = {(named.name, named.reached.target): named.reached.trials for named in result.reached}
    ratios = {(named.of, named.to, named.ratio.target): named.ratio for named in result.ratios}
    for target in sorted({named.reached.target for named in result.reached}):
        trials = [_trials_cell(needed[name, target], curve.values.shape[1]) for name, curve in result.curves.items()]
        table.add_row(f"{100 * target:.2f}", *trials, *(_ratio_cell(ratios[of, to, target]) for of, to in pairs))
    return table


def choice_table(result: Result, title: str) -> Table:
    """Returns what a choice was made by, a row a candidate."""
    table = Table("choice", "mean (%)", title=title)
    for row in result.choice:
        table.add_row(row.name, _cell(row))
    return table


def reached_table(result: Result, title: str) -> Table:
    """Returns when each curve reached each target, with 95 % intervals, a row a curve and a column a target."""
    table = Table(title=title, caption="trials (95 % interval of a bootstrap over the replicas)")
    table.add_column("")
    targets = sorted({named.reached.target for named in result.reached})
    for target in targets:
        table.add_column(f"{target:g}", justify="right")
    cells = {(named.name, named.reached.target): named.reached for named in result.reached}
    for name in result.curves:
        trials = result.curves[name].values.shape[1]
        table.add_row(name, *(_reached_cell(cells[name, target], trials) for target in targets))
    return table


def _by_trials(result: Result, rows: Sequence[Row], title: str, caption: str) -> Table:
    table = Table(title=title, caption=caption)
    table.add_column("trials", justify="right")
    for name in result.curves:
        table.add_column(name, justify="right")
    cells = {(row.trials, row.name): _cell(row) for row in rows}
    for count in sorted({row.trials for row in rows}):
        table.add_row(str(count), *(cells.get((count, name), "") for name in result.curves))
    return table


def _trials_cell(needed: int | None, run: int) -> str:
    return f"> {run}" if needed is None else str(needed)


def _reached_cell(reached: Reached, run: int) -> str:
    ends = [_trials_cell(end, run) for end in (reached.trials, reached.low, reached.high)]
    return f"{ends[0]} ({ends[1]} to {ends[2]})"


def ratio_lines(ratios: Sequence[NamedRatio]) -> list[str]:
    """Returns a sentence for each ratio of trials."""
    return [_ratio_line(named) for named in ratios]


def _cell(row: Row) -> str:
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
    """Trials a second, each of all replicas."""

    def render(self, task: Task) -> Text:
        """Returns the speed so far."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.0f} trials/s" if speed else "- trials/s")
