"""The sections of the report about a transfer: the old knowledge, what became of it, and the trust in it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..insight.beliefs import Beliefs
from ..insight.number_ranges import NO_RANGES, Ranges, do_meet, merged, with_ranges, within_ranges
from ..insight.progress import EARLY, OldAgainstNew, SearchRecord, SearchTrial, old_against_new
from ..learning.bandit import RECENT_TRIALS
from ..spaces.vocabulary import counted, listed
from . import page
from .sections import Page, config_words

if TYPE_CHECKING:
    from ..spaces.condition import Action
    from ..spaces.vocabulary import TransferReport

_FEW = 6  # pairs say little
_MISLED = 0.25  # of the pairs, or less, are better where old knowledge misled


def add_known(
    found: Page,
    report: "TransferReport | None",
    record: SearchRecord | None,
    ranges: Ranges = NO_RANGES,
    title: str = "Known at the start",
) -> None:
    """Adds the knowledge before the first trial.

    Args:
        found: the page.
        report: of a transfer, where there is one.
        record: of the search, whose trials may name their source.
        ranges: for which the actions of the report stand.
        title: of the section.
    """
    found.add(page.heading(title, 3))
    if report is not None:
        kinds = {"states": "parameters", "actions": "values", "spaces": "spaces", "tasks": "tasks"}
        both = [(kind, getattr(report, f"known_{kind}"), getattr(report, f"new_{kind}")) for kind in kinds]
        sources = report.source_tasks
        found.add(page.paragraph(f"The agent had learned from {counted(len(sources), 'task')}: {listed(sources)}."))
        shown = {"actions": _new_values(report.new_actions, ranges)}
        rows = [(kinds[kind], len(known), len(new), listed(shown.get(kind, new))) for kind, known, new in both]
        found.add(page.table(("", "known", "new", "which are new"), rows))
        if any(state in ranges for state, _ in (*report.known_actions, *report.new_actions)):
            words = "A range of numbers is cut into parts, and each part counts as one value."
            found.add(page.paragraph(words, soft=True))
    trials = () if record is None else record.trials
    named = [trial.proposer for trial in trials if trial.proposer and " from " in trial.proposer]
    if named:
        origins = listed(tuple(dict.fromkeys(each.partition(" from ")[2] for each in named)))
        found.add(page.paragraph(f"{counted(len(named), 'trial')} came from the best ones of {origins}."))
    elif report is None and any(trial.trust is not None for trial in trials):
        found.add(page.paragraph("The search started from an agent. The trials do not say what it knew."))
    elif report is None:
        noted = any(trial.proposer is not None for trial in trials)
        unsaid = "The trials do not say whether anything was known."
        found.add(page.paragraph("Nothing: the search started from scratch." if noted else unsaid))


def _new_values(pairs: "Sequence[tuple[str, Action]]", ranges: Ranges) -> tuple[object, ...]:
    """Returns the values of pairs of a state and an action, with neighbouring parts of a range as one range."""
    found = list[object]()
    by_state: dict[str, list[Action]] = {}
    for state, action in pairs:
        by_state.setdefault(state, []).append(action)
    for state, actions in by_state.items():
        its = ranges.get(state, {})
        found += [(state, action) for action in actions if action not in its]
        found += [f"{state}={each}" for each in merged([action for action in actions if action in its], its)]
    return tuple(found)


def add_trust(found: Page, record: SearchRecord) -> None:
    """Adds how good the old knowledge was, and how far it was trusted; nothing without a transfer."""
    old = old_against_new(record)
    if old is None:
        return
    found.add(page.heading("Was the old knowledge good?", 3))
    if not old.pairs:
        missing = "a policy that starts from nothing" if not old.new else "the old knowledge"
        found.add(page.paragraph(f"Not tested yet: {missing} has no trial among the first ones to compare with."))
        return
    sources = [counted(old.warm_starts, "warm start")] if old.warm_starts else []
    sources += (
        [f"{counted(old.policy, 'trial')} of the policy before the first one of the new policy"] if old.policy else []
    )
    first = counted(min(EARLY, len(record.trials)), "trial")
    words = f"The new policy, which started from nothing, proposed {old.new} of the first {first}. Old knowledge "
    words += f"proposed {' and '.join(sources)}, which were {old.words}. "
    words += _verdict(old)
    found.add(page.paragraph(words))
    trusted = [trial for trial in record.trials if trial.trust is not None]
    if trusted:
        found.add(page.paragraph(_trust_words(trusted, sum(trial.kind == "new policy" for trial in record.trials))))


def _verdict(old: OldAgainstNew) -> str:
    words = "misled" if old.share <= _MISLED else "helped" if old.share >= 1 - _MISLED else "neither helped nor misled"
    return f"The old knowledge {words}, as far as {'so few' if old.pairs < _FEW else 'these'} pairs tell."


def _trust_words(trusted: Sequence[SearchTrial], new: int) -> str:
    shares = [trial.trust or 0.0 for trial in trusted]
    least = shares.index(min(shares))
    words = f"Trust: {100 * shares[0]:.0f} % at first, {100 * shares[least]:.0f} % at the least (trial "
    words += f"{trusted[least].number}), {100 * shares[-1]:.0f} % in the last trial. This is the probability that the "
    words += "policy and the warm start proposed better than the new policy at that time. It comes from comparisons of "
    words += f"each trial with the {RECENT_TRIALS} trials before, of which the latest count most; the new policy has "
    words += f"had {counted(new, 'trial')}. The policy learns from this search too, so a trust that rises again does "
    return words + "not say that the old knowledge was good."


def add_warm_start(found: Page, beliefs: Beliefs, record: SearchRecord) -> None:
    """Adds the configurations of earlier problems that are tried unless they disappoint, and which of them were."""
    if not beliefs.warm_start:
        return
    left, rows = [trial for trial in record.trials if trial.kind == "warm start"], list[tuple[object, object]]()
    for config in beliefs.warm_start:
        shown = within_ranges(with_ranges(config, beliefs.ranges), beliefs.ranges)
        its = next((trial for trial in left if _fits(shown, with_ranges(trial.params, beliefs.ranges))), None)
        rows.append((config_words(shown), "not tried" if its is None else its.number))
        if its is not None:
            left.remove(its)
    tried = sum(number != "not tried" for _, number in rows)
    summary = f"Configurations of earlier problems, tried unless they disappoint: {tried} of {len(rows)} so far"
    found.add(page.hidden(summary, page.table(("configuration", "tried in trial"), rows)))


def _fits(config: Mapping[str, object], params: Mapping[str, object]) -> bool:
    """Returns whether a trial may be that of a configuration; either may have ranges in place of numbers."""
    return config.keys() == params.keys() and all(do_meet(its, params[name]) for name, its in config.items())
