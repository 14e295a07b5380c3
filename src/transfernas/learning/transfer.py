"""Taking what learners know to new problems (paper, section 3, "Training and transfer considerations")."""

import dataclasses

import jax
import numpy as np

from ..policy.architecture import Capacity
from ..policy.policy import Policy
from ..spaces.encoding import encode
from ..spaces.problem import Problem
from ..spaces.vocabulary import Vocabulary
from .config import NETWORK, TrainingConfig
from .learner import Learner, capacity_for, restore
from .randomness import Use, derived_seed, generator
from .steps import fresh_state, init_policies


def transfer(
    learner: Learner, problems: tuple[Problem, ...], config: TrainingConfig | None = None, seed: int | None = None
) -> Learner:
    """Returns the replicas ready for new problems.

    Weights and the embeddings of every known name stay; new embeddings are drawn; baselines, queues and the optimiser
    start afresh.

    Raises:
        ValueError: the configuration changes the network itself.
    """
    config = learner.config if config is None else config
    _check_same_network(learner.config, config)
    seed = derived_seed(learner.seed, Use.TRANSFER, learner.learned) if seed is None else seed
    vocabulary = learner.vocabulary.extended(problems)
    encoding = encode(problems, vocabulary)
    old: Policy = jax.tree.map(np.asarray, learner.state.policy)
    needed = capacity_for(vocabulary, max(encoding.steps, old.steps))
    rows = len(encoding.tables.task)
    drawn = init_policies(generator(seed, Use.WEIGHTS), learner.replicas, needed, config)
    policy = _transplant(old, drawn, learner.vocabulary, vocabulary, config)
    state = fresh_state(policy, config, rows, encoding.steps)
    return restore(config, seed, vocabulary, encoding, state, learner.vocabulary, learner.provenance)


def _transplant(
    old: Policy, drawn: Policy, known: Vocabulary, vocabulary: Vocabulary, config: TrainingConfig
) -> Policy:
    """Returns the old network with the rows of new names drawn anew."""
    counts = Capacity(len(known.states), len(known.actions), len(known.tasks), old.steps)
    tables = {}
    for name, kind in old.rows.items():
        count = getattr(counts, kind)
        tables[name] = getattr(drawn, name).copy()
        tables[name][:, :count] = getattr(old, name)[:, :count]
    if config.new_task == "mean":
        mean = tables["task"][:, : len(known.tasks)].mean(axis=1, keepdims=True)
        tables["task"][:, len(known.tasks) : len(vocabulary.tasks)] = mean
    return dataclasses.replace(old, **tables)


def _check_same_network(old: TrainingConfig, new: TrainingConfig) -> None:
    for name in NETWORK:
        if getattr(old, name) != getattr(new, name):
            raise ValueError(
                f"a transfer keeps the network: {name} is {getattr(old, name)!r} and can not become "
                f"{getattr(new, name)!r}"
            )
