"""A study of Optuna's as the record of a search, whatever proposed its trials; the study may be in use."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...extras import needed

with needed("optuna", __name__):
    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial, TrialState

from ...define_by_run.search import DefineByRunSearch
from ...insight.attention import with_values
from ...insight.beliefs import Beliefs
from ...insight.importances import Importance, importances, mean_ranks
from ...insight.number_ranges import NumberRange
from ...insight.progress import SearchRecord, SearchTrial, ending_of
from ...learning.expected_best import ExpectedBest
from ...learning.scores import TrialOutcome
from ...spaces.condition import Action, is_any_of
from ...spaces.domain import Domain, NumericDomain
from ..studies import problem_of
from .sampler import ATTRIBUTE, SPACE
from .trials import domain_of, known_domain, number_of, score_of, sign_of, stamp_of, task_of, value_of, violation_of

if TYPE_CHECKING:
    from ...agent import Agent


def record_of_study(study: optuna.Study) -> SearchRecord:
    """Returns the trials of a study by one look at its storage; nothing is written there.

    A trial that failed, was pruned or broke a constraint has no value in the record.

    Raises:
        ValueError: the study has several objectives.
    """
    _check_single(study)
    trials = study.get_trials(deepcopy=False)
    finished = [trial for trial in trials if trial.state.is_finished()]
    begun = [trial.datetime_start for trial in trials if trial.datetime_start is not None]
    ended = [trial.datetime_complete for trial in finished if trial.datetime_complete is not None]
    return SearchRecord(
        study.study_name,
        (study.metric_names or ["value"])[0],
        sign_of(study) > 0,
        tuple(map(_trial, finished)),
        running=len(trials) - len(finished),
        began=min(begun, default=None),
        ended=max(ended, default=None),
    )


def importances_of_study(study: optuna.Study) -> dict[str, Importance]:
    """Returns the importances of the parameters of a study, see `insight.importances`; trials that failed are left out.

    Numbers count as the parts of their ranges, as an agent keeps them. So an agent that has learned from all of the
    trials gives the same importances.

    Raises:
        ValueError: the study has several objectives.
    """
    _check_single(study)
    finished = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    scored = [(trial, score_of(trial, sign_of(study), "ignore")) for trial in finished]
    known = [(trial, score) for trial, score in scored if score is not None]
    if not known:
        return {}
    outcomes = np.array([int(score.outcome) for _, score in known], np.int32)
    ranks = mean_ranks(outcomes, np.array([score.reward for _, score in known], np.float64))
    domains = dict[str, tuple[BaseDistribution, Domain]]()
    kept = [
        {name: _kept_action(domains, name, trial.distributions[name], value) for name, value in trial.params.items()}
        for trial, _ in known
    ]
    return importances(kept, ranks)


def count_learned(study: optuna.Study, agent: "Agent") -> int:
    """Returns the number of finished trials of a study that an agent has learned from."""
    finished = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    return sum(agent.processed.has(stamp_of(trial)) for trial in finished)


def domains_of_study(study: optuna.Study) -> dict[str, Domain]:
    """Returns the values that each parameter of a study can have, by the last trial that has the parameter."""
    found: dict[str, Domain] = {}
    for trial in study.get_trials(deepcopy=False):
        for name, distribution in trial.distributions.items():
            with suppress(ValueError, TypeError, ArithmeticError):
                found[name] = domain_of(distribution)
    return found


def beliefs_of_study(
    study: optuna.Study, agent: "Agent", task: str | None = None, trial: FrozenTrial | None = None
) -> Beliefs:
    """Returns the beliefs of an agent about a study, whose numbers are inside of the ranges of the study.

    If the agent has not learned from the study, the beliefs are those of a search that begins. Otherwise importances
    are those of `importances_of_study`, because an agent may have learned from some of the trials alone.

    Args:
        study: a study with one objective.
        agent: the agent, which stays as it is.
        task: the name of the study's task; by default the study's name.
        trial: a trial of the study, to have the attention between its decisions; None for none.

    Raises:
        ValueError: the study has several objectives, or the agent does not know it and it has no finished trial; or the
            trial has a value that the agent does not know.
    """
    _check_single(study)
    task = task_of(study) if task is None else task
    problem = next((problem for problem in agent.problems if problem.task == task), None)
    if problem is None:
        agent = agent.transfer_to([problem_of(study, task=task)])
    beliefs = agent.beliefs(problem, attention=None if trial is None else _actions(trial))
    if trial is not None and beliefs.attention is not None:
        beliefs = replace(beliefs, attention=with_values(beliefs.attention, trial.params))
    if problem is not None and (exact := importances_of_study(study)):
        parameters = tuple(
            replace(each, importance=its.share, effect=its.effect, chance=its.chance)
            if (its := exact.get(each.name)) is not None
            else each
            for each in beliefs.parameters
        )
        beliefs = replace(beliefs, parameters=parameters, importances_from="this problem")
    return within_domains(beliefs, domains_of_study(study))


def within_domains(beliefs: Beliefs, domains: Mapping[str, Domain]) -> Beliefs:
    """Returns beliefs in which no name of a bin, and no range, is outside of the range of its parameter."""

    def inside(name: str, action: Action) -> Action:
        return inside_domain(action, domains.get(name))

    def config(its: Mapping[str, Action]) -> dict[str, Action]:
        return {name: inside(name, action) for name, action in its.items()}

    return replace(
        beliefs,
        parameters=tuple(
            replace(
                each,
                values=tuple(inside(each.name, value) for value in each.values),
                ranges=_ranges(each.values, domains[each.name]) if each.name in domains else each.ranges,
            )
            for each in beliefs.parameters
        ),
        expected_best=tuple(replace(each, config=config(each.config)) for each in beliefs.expected_best),
        warm_start=tuple({n: _tried(its, domains.get(n)) for n, its in each.items()} for each in beliefs.warm_start),
    )


def inside_domain(action: Action, domain: Domain | None) -> Action:
    """Returns the name of a bin, or the nearest value of the bin if the bin's part of the range lacks its name.

    Example:
        ```python
        assert inside_domain(0, NumericDomain(1, 20, integer=True)) == 1
        ```
    """
    if not isinstance(domain, NumericDomain) or not is_any_of(action, domain.actions):
        return action  # a category, or the name of a bin of another range
    _, low, high = domain.bins[domain.position(action)]  # type: ignore[arg-type]
    return min(max(action, low), high)  # type: ignore[type-var]


def _tried(value: Action, domain: Domain | None) -> Action:
    """Returns the value that a search tries for the value of an earlier problem, which may be outside of the domain."""
    if not isinstance(domain, NumericDomain) or type(value) not in (int, float) or is_any_of(value, domain.actions):
        return inside_domain(value, domain)
    return domain.near(value, 0.0, 0.0)  # type: ignore[arg-type]


def expected_best_of_study(study: optuna.Study, agent: "Agent | None") -> ExpectedBest | None:
    """Returns the trial of a study with the best expected value; None if no process over its trials can tell.

    Nothing is learned; see `TransferSampler.expected_best`.

    Args:
        study: a study with one objective.
        agent: whose knowledge of other problems the process starts from; None for none.

    Raises:
        ValueError: the study has several objectives.
    """
    _check_single(study)
    names = (SPACE, task_of(study))
    if agent is not None:
        names = next((problem.name for problem in agent.problems if problem.task == names[1]), names)
    search, sign = DefineByRunSearch(*names, source=agent, learns=False), sign_of(study)
    for trial in study.get_trials(deepcopy=False):
        if trial.state.is_finished():
            with suppress(ValueError, TypeError, ArithmeticError):
                params = {
                    name: (domain_of(trial.distributions[name]), value_of(trial.distributions[name], value))
                    for name, value in trial.params.items()
                }
                search.recall(params, score_of(trial, sign, "ignore"), trial.state == TrialState.COMPLETE)
    found = search.expected_best()
    if found is None:
        return None
    return found.signed(sign)._replace(number=number_of(study.get_trials(deepcopy=False), found.params, sign))


def _ranges(actions: Sequence[Action], domain: Domain) -> tuple[NumberRange, ...] | None:
    """Returns the ranges of actions; None if each action stands for itself."""
    if not isinstance(domain, NumericDomain) or not domain.continuous:
        return None
    bins = dict(zip(domain.actions, domain.bins, strict=True))
    if not all(type(action) in (int, float) for action in actions):
        return None
    return tuple(NumberRange(*bins[each][1:]) if each in bins else NumberRange(each, each) for each in actions)  # type: ignore[arg-type]


def _trial(trial: FrozenTrial) -> SearchTrial:
    noted = trial.user_attrs.get(ATTRIBUTE)
    noted = noted if isinstance(noted, Mapping) else {}
    name, trust = noted.get("name"), noted.get("trust")
    score = score_of(trial, 1.0, "worst")
    assert score is not None  # of a failed trial, too
    whole = trial.state == TrialState.COMPLETE and violation_of(trial) == 0
    return SearchTrial(
        trial.number,
        trial.value if whole else None,
        name if isinstance(name, str) else None,
        float(trust) if isinstance(trust, (int, float)) else None,
        dict(trial.params),
        ending_of(TrialOutcome.FINITE if whole else score.outcome),
    )


def _kept_action(
    known: dict[str, tuple[BaseDistribution, Domain]], name: str, distribution: BaseDistribution, value: object
) -> Action:
    """Returns the action of a value; a value that no domain takes stands for itself. See `known_domain`."""
    with suppress(ValueError, TypeError, ArithmeticError):
        return known_domain(known, name, distribution).action(value_of(distribution, value))  # type: ignore[arg-type]
    return _action(value)


def _actions(trial: FrozenTrial) -> dict[str, Action]:
    """Returns the actions of the parameters of a trial, in the order in which the trial asked for them."""
    found = {name: (domain_of(trial.distributions[name]), value) for name, value in trial.params.items()}
    return {name: domain.action(value) for name, (domain, value) in found.items()}


def _action(value: Any) -> Action:
    return value if value is None or isinstance(value, (bool, int, float, str)) else repr(value)


def _check_single(study: optuna.Study) -> None:
    if len(study.directions) > 1:
        raise ValueError(
            f"study {study.study_name!r} has {len(study.directions)} objectives; choose a study with one, as in "
            f"--study NAME"
        )
