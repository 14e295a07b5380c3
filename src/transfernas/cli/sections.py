"""The sections of the report about studies and agents: records and beliefs as parts of a page."""

import functools
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from .. import plots
from ..insight.beliefs import Beliefs
from ..insight.figure_data import UNSURE
from ..insight.importances import MEASURED, WEAK, Importance, too_weak
from ..insight.number_ranges import NO_RANGES, NumberRange, Ranges, do_meet, with_ranges
from ..insight.progress import OTHERS, SearchRecord, first_to_reach, gains, old_against_new
from ..spaces.vocabulary import counted, listed
from ..version import __version__
from . import page

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..agent import Agent
    from ..learning.expected_best import ExpectedBest

_NETWORK = "These sections are for readers who want to look into the network. They tell you nothing to decide by."
MOST = 8  # studies, problems, or parameters, of which each has figures
_COLUMNS = 8  # parameters that have a column each
LISTED = 16  # parameters of a configuration
_MEANINGS = {
    "policy": "the policy, which started from the knowledge of earlier problems, if there were any",
    "new policy": "a policy that learned from this search alone",
    "warm start": "configurations that were among the best of an earlier problem",
    "exploring policy": "the policy, with a preference for values that it has never seen",
    "surrogate": "a Gaussian process over the trials",
    OTHERS: "not noted: enqueued trials, trials of other programs, and a first trial of more than 64 parameters",
}


@dataclass
class Page:
    """A page that is being written.

    Attributes:
        title: of the page.
        rerun: a program or a command that goes on with the search.
        parts: of its body.
        last: parts behind all others, for readers who want to look into the network.
        drawn: how many figures there are.
        notices: what a reader must not miss, which the terminal shows too.
    """

    title: str
    rerun: str
    parts: list[str] = field(default_factory=list)
    last: list[str] = field(default_factory=list)
    drawn: int = 0
    notices: list[str] = field(default_factory=list)

    def add(self, *parts: str) -> None:
        """Adds parts that are HTML."""
        self.parts.extend(parts)

    def figure(self, draw: "Callable[[], Axes]", caption: str) -> str:
        """Returns a figure under a name that no other figure of the page has."""
        self.drawn += 1
        return page.figure(draw, f"figure-{self.drawn}", caption)

    def html(self, command: str, made: str) -> str:
        """Returns the page as text.

        Args:
            command: that made it.
            made: when.
        """
        again = page.heading("How to go on"), page.code(self.rerun, "how to go on")
        end = (
            page.paragraph("This page was made by:"),
            page.code(command, "the command that made this page"),
            page.paragraph(f"{made}, transfernas {__version__}", soft=True),
        )
        head = f"<h1>{page.text(self.title)}</h1>"
        network = [page.heading("Inside of the network"), page.paragraph(_NETWORK), *self.last] if self.last else []
        notices = map(page.notice, self.notices)
        body = [f"<header>{head}</header><main>", *notices, *self.parts, *again, *network, *end, "</main>"]
        return page.document(self.title, body)


def add_facts(found: Page, record: SearchRecord, trials: str = "finished trials") -> None:
    """Adds the few numbers about a search that a reader looks for first.

    Args:
        found: the page.
        record: of the search.
        trials: the words for the trials of the record.
    """
    best, count, endings = record.best_first[:1], f"{len(record.trials):,}", record.endings
    if len(endings) > 1:
        count += f": {', '.join(f'{number:,} {ending}' for ending, number in endings.items())}"
    pairs: list[tuple[str, object]] = [
        (f"best {record.quantity} ({record.direction})", best[0].value if best else None),
        (trials, count),
    ]
    pairs += [("trials running now", record.running)] if record.running else []
    if (old := old_against_new(record)) is not None:
        pairs.append(("old knowledge against a new start", old.words if old.pairs else "not tested yet"))
    pairs += [("began", record.began.strftime("%Y-%m-%d %H:%M"))] if record.began else []
    if record.began and record.ended:
        pairs.append(("time until the last trial", _duration((record.ended - record.began).total_seconds())))
    found.add(page.facts(pairs))


def add_search(found: Page, record: SearchRecord, against: SearchRecord | None, ranges: Ranges = NO_RANGES) -> None:
    """Adds the course of a search: the curve, the proposers, the best configurations.

    Args:
        found: the page.
        record: of the search.
        against: another search to compare with; None for none.
        ranges: for which the actions of the record's configurations stand.
    """
    best = [replace(trial, params=with_ranges(trial.params, ranges)) for trial in record.best_first[:5]]
    if not record.trials:
        found.add(page.paragraph("No trial is finished yet. Make the report again later."))
        return
    caption = "Each mark is a trial, by who proposed it; the line is the best so far."
    if against is not None:
        caption += f" The dashed line is the best so far of {against.name}."
    if any(trial.value is None for trial in record.trials):
        caption += " A trial without a value has no mark."
    picture = found.figure(functools.partial(plots.plot_progress, record, against), caption)
    found.add(page.heading("Who proposed, and with which gain", 3), page.figures([picture]))
    heads = ("proposer", "trials", "became the best", f"gain in {record.quantity}", f"best {record.quantity}")
    by_proposer = gains(record)
    found.add(page.table(heads, by_proposer))
    words = "The gain is by how much a proposer's trials moved the best value. The first trial "
    words += "counts as the best so far, with a gain of 0, because there was nothing before it."
    found.add(page.paragraph(words, soft=True))
    meanings = [
        (each.proposer, _MEANINGS.get(each.proposer, "a proposer that this version does not know"))
        for each in by_proposer
    ]
    found.add(page.hidden("Who the proposers are", page.table(("proposer", "meaning"), meanings)))
    if against is not None:
        _compared(found, record, against)
    found.add(page.heading("Best configurations", 3))
    names = list(dict.fromkeys(name for trial in best for name in trial.params))
    if len(names) <= _COLUMNS:
        rows: list[list[object]] = [
            [trial.number, trial.value, trial.proposer or OTHERS, *(trial.params.get(name, "–") for name in names)]
            for trial in best
        ]
        found.add(page.table(("trial", record.quantity, "proposer", *names), rows))
    else:
        rows = [[trial.number, trial.value, trial.proposer or OTHERS, config_words(trial.params)] for trial in best]
        found.add(page.table(("trial", record.quantity, "proposer", "configuration"), rows))
    if len(names) > LISTED:
        params = {name: str(its) if isinstance(its, NumberRange) else its for name, its in best[0].params.items()}
        text = json.dumps(params, indent=2, default=str)
        title = "All parameters of the best trial"
        found.add(page.hidden(title, page.code(text, title)))


def _compared(found: Page, record: SearchRecord, against: SearchRecord) -> None:
    best, other = record.best_first[:1], against.best_first[:1]
    if not other or not best:
        return
    reached = first_to_reach(record, _value(other[0].value))
    words = f"The best of {against.name} is {page.number(other[0].value)}, of {counted(len(against.trials), 'trial')}."
    words += (
        " This search has not reached it."
        if reached is None
        else f" This search reached it in trial {reached} (the first trial is 0)."
    )
    words += " If the two searches are of other data, their values cannot be compared."
    found.add(page.paragraph(words))


def add_beliefs(
    found: Page,
    beliefs: Beliefs,
    record: SearchRecord | None = None,
    quantity: str = "reward",
    sign: float = 1.0,
) -> None:
    """Adds an agent's beliefs about a problem.

    Args:
        found: the page.
        beliefs: of the agent.
        record: of the search of the problem, which the agent knows; None without one.
        quantity: the name of the values of the problem.
        sign: the value of a reward of 1: 1 where values are maximised, -1 where they are minimised.
    """
    found.add(page.heading("What the agent believes", 3))
    ranked = sorted(beliefs.parameters, key=lambda each: -(each.importance or 0.0))
    words = f"The figures show the {beliefs.policy}, by {counted(beliefs.draws, 'configuration')} drawn from it."
    if len(ranked) > MOST:
        words += f" Of {len(ranked)} parameters the {MOST} most important ones are shown."
    found.add(page.paragraph(words))
    pictures = []
    if beliefs.importances_from != "nothing":
        its = f"{_measured(beliefs.importances)} The measure is the Kruskal-Wallis effect size."
        pictures.append(found.figure(functools.partial(plots.plot_importances, beliefs), its))
    for each in ranked[:MOST]:
        parts = "" if each.ranges is None else ", in parts of the range"
        its = f"Values of {each.name}{parts}: how often the policy would draw each"
        its += "." if each.active > 0.995 else f", in the {100 * each.active:.0f} % of draws that decide it."
        if any(part.about for part in each.ranges or ()):
            its += f" {UNSURE} marks a part that may reach beyond the range."
        pictures.append(found.figure(functools.partial(plots.plot_values, each), its))
    if beliefs.likeness:
        its = "Other tasks: how like they are to this one. Circles: by what the policy learned (cosine of the "
        its += "embeddings)."
        if any(each.too_early for each in beliefs.likeness):
            its += " Hollow circles: too early to tell, because the policy has not learned how the tasks differ."
        shared = [each.shared for each in beliefs.likeness if each.agreement is not None]
        if shared:
            many = f"{min(shared)}" if min(shared) == max(shared) else f"{min(shared)} to {max(shared)}"
            its += (
                f" Diamonds: the rank correlation of how good the {many} values are that both tasks tried, each value "
            )
            its += "by the mean place of its trials. It says nothing of whether old knowledge helped, and is weak "
            its += "evidence with few trials."
        if any(each.by_chance for each in beliefs.likeness):
            its += " Hollow diamonds: chance alone gives such a correlation in one of twenty cases or more."
        pictures.append(found.figure(functools.partial(plots.plot_likeness, beliefs), its))
    found.add(page.figures(pictures))
    if beliefs.expected_best:
        found.add(page.heading("What the policy alone would draw (often worse than the best found)", 3))
        found.add(page.paragraph(_alone(record)))
        rows = list[tuple[object, ...]]()
        for expected in beliefs.expected_best:
            config = with_ranges(expected.config, beliefs.ranges)
            tried = "not tried" if expected.reward is None else page.number(sign * expected.reward)
            rows.append((config_words(config), tried, listed(_untried(config, record, beliefs.ranges))))
        heads = ("configuration", f"{quantity} when it was tried", "values that no trial had")
        shown = len(heads) if record is not None else 2
        found.add(page.table(heads[:shown], [row[:shown] for row in rows]))
        if beliefs.ranges:
            words = "The policy chooses a part of the range of a number, and not a number inside of the part."
            found.add(page.paragraph(words, soft=True))


def _alone(record: SearchRecord | None) -> str:
    words = "These are no recommendations: the policy is one of several proposers, and orders its draws by how much "
    words += (
        "likelier they are than by chance. A value that no trial had may come first, because no trial spoke against it."
    )
    if record is None or not record.trials:
        return words
    kinds = [trial.kind for trial in record.trials]
    own = sum(kind in ("policy", "new policy", "exploring policy") for kind in kinds)
    return f"{words} In this search, policies proposed {own:,} of {counted(len(kinds), 'trial')}."


def _untried(config: Mapping[str, object], record: SearchRecord | None, ranges: Ranges) -> tuple[str, ...]:
    """Returns the names of the parameters whose value, or part of a range, no trial of a search had."""
    tried = [with_ranges(trial.params, ranges) for trial in (() if record is None else record.trials)]
    return tuple(
        name
        for name, value in config.items()
        if not any(name in params and do_meet(value, params[name]) for params in tried)
    )


def add_expected(found: Page, expected: "ExpectedBest | None", record: SearchRecord) -> None:
    """Adds the trial that a Gaussian process expects to be best, were it evaluated again, beside the best observed one.

    Args:
        found: the page.
        expected: the trial that is expected to be best; None for none.
        record: of the search.
    """
    if expected is None or not record.best_first:
        return
    best, value = record.best_first[0], _plus_minus(expected.value, expected.deviation)
    its = next((trial for trial in record.best_first if trial.params == expected.params), None)
    found.add(page.heading("Best under noise", 3))
    words = "If your objective returns another value each time, the best single value may be lucky. "
    if its is not None and its.number == best.number:
        words += f"A Gaussian process expects the best observed trial to be best again, with the value {value}."
    else:
        number = expected.number if its is None else its.number
        at_best = _plus_minus(expected.best_value, expected.best_deviation)
        rows = [
            ("best observed", best.number, best.value, at_best, config_words(best.params)),
            ("best expected", number, None if its is None else its.value, value, config_words(expected.params)),
        ]
        found.add(page.table(("", "trial", f"observed {record.quantity}", "expected", "configuration"), rows))
        words += "By a Gaussian process over all trials, the second one would be best, were they evaluated again."
    words += " If it always returns the same value, the best observed trial is the best."
    found.add(page.paragraph(words, soft=True))


def _plus_minus(value: float, deviation: float) -> str:
    return f"{page.number(value)} ± {deviation:.2g}"


def add_importances(found: Page, importances: dict[str, Importance]) -> None:
    """Adds which parameters tell the good trials of a study from the bad ones, if these are enough to say."""
    if importances:
        its = f"{_measured(importances)} The trials are this study's."
        picture = found.figure(functools.partial(plots.plot_importances, importances), its)
        found.add(page.heading("Importances", 3), page.figures([picture]))


def _measured(found: Mapping[str, Importance]) -> str:
    """Returns the measure of importances in words, with the largest effect, and a warning if that says nothing."""
    if not found:
        return MEASURED
    name = max(found, key=lambda name: found[name].effect)
    words = f"{WEAK} " if too_weak(found) else ""
    share = f"{100 * found[name].effect:.0f} %"
    return f"{words}{MEASURED} The largest effect is that of {name}: it explains {share} of the order of the trials."


def add_configuration(found: Page, agent: "Agent") -> None:
    """Adds the configuration of an agent: how it differs from the usual one, and all of its fields."""
    from ..fields import to_json
    from .inspection import differences

    base, changes = differences(agent.config)
    words = f" with {', '.join(f'{path}={value}' for path, value in changes.items())}" if changes else ""
    text = json.dumps(to_json(agent.config), indent=2)
    found.add(page.heading("Configuration"), page.paragraph(f"The settings are those of {base}{words}."))
    title = "All fields of TrainingConfig"
    found.add(page.hidden(title, page.code(text, title)))


def config_words(config: Mapping[str, object]) -> str:
    """Returns a configuration as text, at most sixteen parameters of it."""
    shown = [f"{name}={page.number(value)}" for name, value in itertools.islice(config.items(), LISTED)]
    return ", ".join(shown) + (f", and {len(config) - LISTED} more" if len(config) > LISTED else "")


def _value(value: float | None) -> float:
    assert value is not None  # the best trial has one
    return value


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min" if hours < 2 else f"{hours:.1f} h"
