"""Shows the results of the comparison on problems of numbers as tables, independently of the experiment."""

from collections.abc import Callable, Sequence

import numpy as np
from rich.console import Console

from transfernas.cli.terminal import PlainTable
from transfernas.spaces.vocabulary import counted

from .benchmarks.number_problems import PROBLEMS
from .experiments.number_ranking import NumberRanking
from .experiments.numbers import MILESTONES, NumberResult
from .experiments.statistics import Interval
from .listing import say_list


def list_problems(console: Console, names: Sequence[str]) -> None:
    """Prints the name of each problem, and describes the problem as far as the terminal is wide."""
    rows = list[tuple[str, tuple[str, ...]]]()
    for name in names:
        problem = PROBLEMS[name]
        least = "unknown" if problem.least is None else f"{problem.least:g}"
        rows.append((f"{problem.kind} ({problem.half})", (name, problem.text, least)))
    say_list(console, counted(len(names), "problem"), ("scenario", "minimised", "least value"), rows)


def number_tables(outcome: NumberResult) -> list[PlainTable]:
    """Returns the tables of a comparison: best values, regrets, pairs ahead of TPE, ranks."""
    tables = [_value_table(outcome)]
    if outcome.rankings:
        bootstrap = "95 % interval of a bootstrap over problems and seeds"
        tables += [
            _ranking_table(
                outcome,
                "Regret as a multiple of TPE's (below 1 is better)",
                "geometric mean over the problems of the ratio of the medians; a regret below 0.1 % of TPE's after 10 "
                f"trials counts as 0.1 %; {bootstrap}",
                lambda row: row.regret,
            ),
            _ranking_table(
                outcome,
                "Share of the pairs of a problem and a seed ahead of TPE (above 0.5 is better)",
                f"ties count half; {bootstrap}",
                lambda row: row.ahead,
            ),
            _ranking_table(outcome, "Mean rank (1 is best)", bootstrap, lambda row: row.rank),
        ]
    return tables


def number_cost_line(outcome: NumberResult) -> str:
    """Returns a line with the cost of a trial for each method."""
    costs = ", ".join(f"{method} {_number(1000 * seconds)} ms" for method, seconds in outcome.cpu_seconds.items())
    return f"CPU time of a trial beside that of the objective, median over the searches: {costs}."


def _value_table(outcome: NumberResult) -> PlainTable:
    """Returns the median best values, with a row for each problem and number of trials."""
    caption = "median over the seeds of the least value so far; lower is better"
    table = PlainTable(title="Best value", caption=caption)
    curves = outcome.result.curves
    methods = list(outcome.cpu_seconds)
    table.head("scenario", whole=True)
    for head in ("trials", *methods):
        table.head(head, right=True)
    for name in dict.fromkeys(curve.rpartition("/")[0] for curve in curves):
        table.add_section()
        found = {method: curves[f"{name}/{method}"].values for method in methods if f"{name}/{method}" in curves}
        longest = max(values.shape[1] for values in found.values())
        for count in [count for count in MILESTONES if count < longest] + [longest]:
            cells = {method: f"{np.median(values[:, count - 1]):.4g}" for method, values in found.items()}
            table.row(name, str(count), *(cells.get(method, "") for method in methods))
    return table


def _ranking_table(
    outcome: NumberResult, title: str, caption: str, number: Callable[[NumberRanking], Interval]
) -> PlainTable:
    """Returns a table with a row for each kind and method, and a column for each number of trials."""
    rows = outcome.rankings
    last = max(row.trials for row in rows)
    counts = [count for count in MILESTONES if count < last] + [last]
    table = PlainTable(title=title, caption=caption)
    table.head("problems")
    table.head("method")
    for count in counts:
        table.head(f"{count} trials", right=True)
    cells = {(row.kind, row.method, row.trials): _cell(number(row)) for row in rows}
    for kind, problems in dict.fromkeys((row.kind, row.scenarios) for row in rows):
        table.add_section()
        for method in dict.fromkeys(row.method for row in rows if row.kind == kind):
            table.row(f"{kind} ({problems})", method, *(cells[kind, method, count] for count in counts))
    return table


def _cell(interval: Interval) -> str:
    mean, low, high = map(_number, interval)
    return mean if low == mean == high else f"{mean} ({low} to {high})"


def _number(value: float) -> str:
    """Returns a number with three digits, or as a whole number, as in 0.0123 and 1,234; a million has an exponent."""
    return f"{value:,.0f}" if 1_000 <= value < 1_000_000 else f"{value:.3g}"
