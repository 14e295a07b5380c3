"""Transfer of learners to new problems (paper, section 3, "Training and transfer considerations")."""

import dataclasses
import difflib
import itertools
from collections.abc import Mapping

import jax
import numpy as np

from ..policy.architecture import Capacity
from ..policy.policy import Policy
from ..spaces.condition import Action
from ..spaces.domain import NumericDomain
from ..spaces.encoding import encode
from ..spaces.problem import Problem, check_fill, check_rename
from ..spaces.tables import EXACT, MinShapes
from ..spaces.vocabulary import Vocabulary, resolve_name
from .config import TrainingConfig
from .exploration import new_actions
from .inheritance import INITIAL_DISTANCE, initialise_new_rows, reassign_families
from .learner import Learner, best_policy, capacity_for, empty_trials, restore, update_archive
from .number_embeddings import number_rows
from .portfolio import Pick, Portfolios, made_by_all, portfolios
from .randomness import Purpose, derived_seed, generator
from .steps import fresh_state, init_policies
from .warm_start import fit_warm_start


def transfer(
    learner: Learner,
    problems: tuple[Problem, ...],
    config: TrainingConfig | None = None,
    seed: int | None = None,
    rename: Mapping[str, str] | None = None,
    fill: Mapping[str, Action] | None = None,
    min_shapes: MinShapes = EXACT,
    picks: Portfolios | None = None,
    fill_numbers: Mapping[str, float] | None = None,
    domains: Mapping[str, NumericDomain] | None = None,
) -> Learner:
    """Returns the replicas ready for new problems.

    Weights and the embeddings of known names stay, and new embeddings are drawn. Baselines, queues and the optimiser
    start afresh. With a proposer bandit, each replica gets a new policy beside the transferred one, and a warm start.

    Args:
        learner: the replicas.
        problems: the problems to search next.
        config: other settings; None for the same.
        seed: the seed of the new search; None for a seed that follows from the learner's.
        rename: a mapping from known states to states of the new problems that mean the same.
        fill: the values of choices of the new spaces before they were choices, such as `{"dropout": 0.0}`. With them,
            archived configurations fit the new spaces.
        min_shapes: the least sizes of the arrays, for problems that will grow.
        picks: the portfolios of the problems, if the caller knows them.
        fill_numbers: the numbers for which actions of `fill` stand, where these stand for several.
        domains: the ranges of choices whose actions are parts of a range, unless the choices have them.

    Raises:
        ValueError: `config` changes the network, `rename` names an unknown state, or gives a state a name that is
            known or that the new spaces lack, or `fill` names no choice of the new spaces or none of its actions.
    """
    config, rename, fill = learner.config if config is None else config, check_rename(rename), check_fill(fill)
    _check_same_network(learner.config, config)
    _check_fill(fill, problems)
    seed = derived_seed(learner.seed, Purpose.TRANSFER, learner.learned) if seed is None else seed
    known = learner.vocabulary.renamed(rename)
    if min_shapes == EXACT:  # else the names are not all known yet
        _check_new_names(rename, problems)
    vocabulary = known.extended(problems, with_families=min_shapes != EXACT)
    encoding = encode(problems, vocabulary, min_shapes)
    old = best_policy(learner)
    needed = capacity_for(vocabulary, encoding)
    needed = needed._replace(steps=max(needed.steps, old.steps))
    rows = len(encoding.tables.task)
    drawn = init_policies(generator(seed, Purpose.WEIGHTS), learner.replicas, needed, config.network)
    policy = carry_over_embeddings(old, drawn, known, vocabulary, config, learner.vocabulary)
    bandit = warm_start = None
    archive = tuple(entry.renamed(rename) for entry in update_archive(learner).archive)
    chosen = config.transfer.bandit
    if chosen is not None:
        fresh = init_policies(generator(seed, Purpose.NEW_POLICY), learner.replicas, needed, config.network)
        fresh = initialise_new_rows(fresh, vocabulary, Vocabulary(), config.network.number_length)
        policy = jax.tree.map(lambda *leaves: np.stack(leaves, axis=1).reshape(-1, *leaves[0].shape[1:]), policy, fresh)
        bandit = chosen.start(learner.replicas, rows)
        if picks is None:
            picks = portfolios(archive, learner.replicas, [problem.name for problem in problems], chosen.warm_start)
        given = fill, fill_numbers or {}, domains or {}
        warm_start = fit_warm_start(archive, picks, encoding, chosen.warm_start, *given)
    state, told = fresh_state(policy, config.rule), empty_trials(learner.replicas, encoding, config)
    ready = restore(config, seed, vocabulary, encoding, state, *told, known)
    return dataclasses.replace(ready, past=learner.provenance, bandit=bandit, warm_start=warm_start, archive=archive)


def unused_fill(learner: Learner, fill: Mapping[str, Action] | None) -> tuple[str, ...]:
    """Returns the choices in `fill` of which no earlier configuration gets its value.

    All earlier configurations have their own value, or none is tried first, because there is no proposer bandit.

    Args:
        learner: a learner of a single replica, right after its transfer.
        fill: that of the transfer.
    """
    if not fill or learner.bandit is None:
        return tuple(fill or ())
    problems = learner.encoding.problems
    [picks] = portfolios(learner.archive, 1, [problem.name for problem in problems], learner.bandit_config.warm_start)

    def earlier(name: str) -> list[Pick]:
        """Returns the trials that are tried in the problems with a choice."""
        has = [any(choice.name == name for choice in problem.space.choices) for problem in problems]
        return [pick for ordered in itertools.compress(picks, has) for pick in ordered]

    return tuple(name for name in fill if made_by_all(name, learner.archive, earlier(name)))


def carry_over_embeddings(
    old: Policy,
    drawn: Policy,
    known: Vocabulary,
    vocabulary: Vocabulary,
    config: TrainingConfig,
    before: Vocabulary | None = None,
) -> Policy:
    """Returns the old networks with rows for new names, which start from drawn rows as `config` says.

    Args:
        old: the networks.
        drawn: networks of the needed size, newly drawn.
        known: the names that the old networks have.
        vocabulary: the names that are needed.
        config: the settings.
        before: the known names before they were renamed; None if none was renamed.
    """
    counts = Capacity(len(known.states), len(known.actions), len(known.tasks), old.steps)
    tables = {}
    for name, kind in old.rows.items():
        count = getattr(counts, kind)
        tables[name] = getattr(drawn, name).copy()
        tables[name][:, :count] = getattr(old, name)[:, :count]
    if config.transfer.new_task == "mean":
        mean = tables["task"][:, : len(known.tasks)].mean(axis=1, keepdims=True)
        tables["task"][:, len(known.tasks) : len(vocabulary.tasks)] = mean
    if config.transfer.new_action == "mean":
        numbers = number_rows(vocabulary) if config.network.number_length else {}
        action = tables["action"]
        for state, (old_rows, new_rows) in new_actions(known, vocabulary).items():
            if state not in numbers:
                mean = action[:, old_rows].mean(axis=1, keepdims=True)
                action[:, new_rows] = mean + INITIAL_DISTANCE * action[:, new_rows]
    grown = initialise_new_rows(dataclasses.replace(old, **tables), vocabulary, known, config.network.number_length)
    return reassign_families(grown, known if before is None else before, vocabulary, known)


def _check_fill(fill: Mapping[str, Action], problems: tuple[Problem, ...]) -> None:
    for name, action in fill.items():
        found = [choice for problem in problems for choice in problem.space.choices if choice.name == name]
        if not found:
            names = dict.fromkeys(choice.name for problem in problems for choice in problem.space.choices)
            have = resolve_name([*names], str(name))
            raise ValueError(f"fill names {name!r}, which is no choice of the new spaces; these have {have}")
        if not any(choice.has(action) for choice in found):
            if found[0].range is not None:
                _ = found[0].value(action)  # its error says which numbers the range has
            raise ValueError(f"fill gives {name!r} the action {action!r}; its actions are {found[0].actions}")


def _check_new_names(rename: Mapping[str, str], problems: tuple[Problem, ...]) -> None:
    states = {choice.state for problem in problems for choice in problem.space.choices}
    for old, new in rename.items():
        if new not in states:
            near = difflib.get_close_matches(str(new), states, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; these have {', '.join(map(repr, sorted(states)))}"
            raise ValueError(f"rename gives {old!r} the name {new!r}, which is no state of the new spaces{hint}")


def _check_same_network(old: TrainingConfig, new: TrainingConfig) -> None:
    for name in ("kind", *old.network.shape):
        was, becomes = getattr(old.network, name), getattr(new.network, name)
        if was != becomes:
            raise ValueError(f"a transfer keeps the network: {name} is {was!r} and cannot become {becomes!r}")
