"""Converts a learner to named tensors and back; every tensor is checked before it is used."""

from typing import Any

import jax
import numpy as np

from ..learning.archive import MOST_PROBLEMS
from ..learning.bandit import LEAST_PROPOSER, N_POLICIES, N_PROPOSERS, Bandit, BaseBanditConfig
from ..learning.config import TrainingConfig
from ..learning.learner import Learner
from ..learning.priority_queue import PriorityQueue
from ..learning.replay import ReplayBuffer
from ..learning.steps import LearnerState, init_state
from ..learning.trial_stats import TrialStats
from ..learning.warm_start import WarmStartConfigs
from ..policy.architecture import Capacity
from ..policy.networks import NETWORKS
from ..spaces.encoding import Encoding
from ..spaces.trajectory import Trajectory
from .archive_tensors import ARCHIVE, archive_tensors
from .tensor_checks import (
    CheckpointError,
    check_not_negative,
    check_shape,
    dense,
    sparse,
    take,
    take_counts,
    take_scores,
)

_NARROW: tuple[type[np.integer], ...] = (np.uint8, np.int8, np.uint16, np.int16)
_PARTS = ("policy", "optimizer", "replay", "queue", "warm_start", "bandit", "archive")
_REPLAY, _BANDIT, _WARM_START, _QUEUE, _QUEUED = "replay.", "bandit.", "warm_start.", "queue.", "queue.trials."


def tensors_of(learner: Learner) -> dict[str, np.ndarray]:
    """Returns all tensors of a learner that its file holds, by name."""
    trial_stats, queue, replay, warm_start = learner.trial_stats, learner.queue, learner.replay, learner.warm_start
    told = slice(None), slice(replay.count)
    parts: dict[str, dict[str, np.ndarray]] = {
        "": {"baseline": trial_stats.baseline, "started": trial_stats.started, "trials": trial_stats.trials},
        _QUEUE: {**queue.scores._asdict(), "filled": queue.filled},
        _QUEUED: queue.trials._asdict(),
        _REPLAY: {
            "problem": replay.problem[told],
            "proposer": replay.proposer[told],
            **replay.scores.at(told)._asdict(),
            **replay.trials.at(told)._asdict(),
            **(sparse(replay.numbers[told]) if learner.encoding.has_ranges else {}),
        },
        _BANDIT: {} if learner.bandit is None else learner.bandit.arrays(),
    }
    if warm_start is not None:
        parts[_WARM_START] = {
            "count": warm_start.count,
            "action_indices": warm_start.action_indices,
            "source": warm_start.source,
            **warm_start.trials._asdict(),
            **sparse(warm_start.values),
        }
    parts[ARCHIVE] = archive_tensors(learner.archive)
    tensors = dict(_named_leaves(learner.state))
    tensors |= {part + name: array for part, arrays in parts.items() for name, array in arrays.items()}
    return {name: _narrowed(tensor) if _counts(name) else tensor for name, tensor in tensors.items()}


def bytes_of(learner: Learner) -> dict[str, int]:
    """Returns the number of bytes of each part of a learner's file, the largest first."""
    parts: dict[str, int] = {}
    for name, tensor in tensors_of(learner).items():
        part = name.split(".")[0].split("[")[0]
        part = part if part in _PARTS else "trial_stats"
        parts[part] = parts.get(part, 0) + tensor.nbytes
    return dict(sorted(parts.items(), key=lambda item: -item[1]))


def parts_of(
    tensors: dict[str, np.ndarray], config: TrainingConfig, capacity: Capacity, encoding: Encoding
) -> tuple[LearnerState, ReplayBuffer, PriorityQueue, TrialStats, Bandit[Any] | None, WarmStartConfigs | None]:
    """Returns the parts of a learner that are kept as tensors.

    Args:
        tensors: Tensors by name; all are removed from the mapping.
        config: Settings of the learner.
        capacity: Numbers of rows of the network's tables.
        encoding: Problems of the learner.

    Raises:
        CheckpointError: A tensor is missing, unknown or does not fit the settings; the message names the tensor.
    """
    replicas = _check_sizes(config, capacity, encoding, tensors)
    rows = replicas * (N_POLICIES if _has_bandit(tensors) else 1)
    expected = init_state(np.random.default_rng(0), rows, capacity, config)
    bandit = warm_start = None
    if _has_bandit(tensors):
        chosen = config.transfer.bandit
        if chosen is None:
            raise CheckpointError(
                "there are the tensors of a proposer bandit, which the header's hyperparameters do not have"
            )
        bandit = _bandit(tensors, replicas, chosen, encoding)
        warm_start = _warm_start(tensors, replicas, chosen.warm_start, encoding)
    replay = _replay(tensors, replicas, encoding)
    trial_stats = _trial_stats(tensors, replicas, encoding)
    queue = _queue(tensors, replicas, config.queue.size, encoding)
    state = _filled(expected, tensors)
    for name, leaf in _named_leaves(state):
        if name.endswith((".count", ".nu")):  # of Adam, which takes a root of nu
            check_not_negative(name, leaf)
    return state, replay, queue, trial_stats, bandit, warm_start


def _counts(name: str) -> bool:
    """Returns whether the whole numbers of a tensor are counts or positions, which may be narrowed."""
    return name == "trials" or name.startswith((_REPLAY, _QUEUE, _WARM_START, ARCHIVE))


def _narrowed(tensor: np.ndarray) -> np.ndarray:
    """Returns whole numbers of 32 bits in the narrowest type that holds all of them, because most are small."""
    if tensor.dtype != np.int32 or not tensor.size:
        return tensor
    least, most = tensor.min(), tensor.max()
    for narrow in _NARROW:
        limits: np.iinfo = np.iinfo(narrow)
        if limits.min <= least and most <= limits.max:
            return tensor.astype(narrow)
    return tensor


def replicas_of(tensors: dict[str, np.ndarray]) -> int:
    """Returns the number of replicas by the tensor `baseline`; 1 if this tensor is missing or has no axis."""
    return len(tensors["baseline"]) if tensors.get("baseline", np.zeros(())).ndim else 1


def widened(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the tensors of a file with narrowed whole numbers converted back to 32 bits."""
    return {
        name: tensor.astype(np.int32) if _counts(name) and tensor.dtype in _NARROW else tensor
        for name, tensor in tensors.items()
    }


def _named_leaves(state: LearnerState) -> list[tuple[str, np.ndarray]]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    return [(jax.tree_util.keystr(path).lstrip("."), np.asarray(leaf)) for path, leaf in leaves]


def _replay(tensors: dict[str, np.ndarray], replicas: int, encoding: Encoding) -> ReplayBuffer:
    """Returns the replay buffer, and removes its tensors from the mapping.

    Raises:
        CheckpointError: A tensor does not fit the problems.
    """
    reward = tensors.get(_REPLAY + "reward", np.zeros(0))
    shape = replicas, reward.shape[-1] if reward.ndim else 0
    scores = take_scores(_REPLAY, tensors, shape)
    problem = take_counts(_REPLAY + "problem", tensors, shape, len(encoding.problems) - 1)
    trials = _trials(_REPLAY, tensors, shape, encoding)
    proposer = take_counts(_REPLAY + "proposer", tensors, shape, N_PROPOSERS - 1, least=LEAST_PROPOSER)
    _check_trials(_REPLAY + "decisions", problem, trials, np.ones(problem.shape, bool), encoding)
    choices = encoding.tables.rules.decision.shape[1] if encoding.has_ranges else 0
    numbers = dense(_REPLAY, tensors, (*shape, choices)) if choices else np.empty((*shape, 0))
    _check_numbers(_REPLAY + "numbers", problem, numbers, encoding)
    return ReplayBuffer.empty(replicas, encoding.steps, choices).extend(problem, trials, scores, proposer, numbers)


def _trial_stats(tensors: dict[str, np.ndarray], replicas: int, encoding: Encoding) -> TrialStats:
    """Returns the trial statistics, and removes their tensors from the mapping.

    Raises:
        CheckpointError: A tensor does not fit the problems.
    """
    shape = replicas, len(encoding.tables.task)
    found = TrialStats(
        baseline=take("baseline", tensors, shape, np.float64),
        started=take("started", tensors, shape, np.bool_),
        trials=take("trials", tensors, shape, np.int32),
    )
    check_not_negative("trials", found.trials)
    return found


def _queue(tensors: dict[str, np.ndarray], replicas: int, size: int, encoding: Encoding) -> PriorityQueue:
    """Returns the priority queues, and removes their tensors from the mapping.

    Raises:
        CheckpointError: A tensor does not fit the problems.
    """
    shape = replicas, len(encoding.tables.task), size
    scores = take_scores(_QUEUE, tensors, shape)
    filled = take_counts(_QUEUE + "filled", tensors, shape[:2], size)
    trials = _trials(_QUEUED, tensors, shape, encoding)
    problem = np.broadcast_to(np.arange(shape[1])[:, None], shape)
    _check_trials(_QUEUED + "decisions", problem, trials, np.arange(size) < filled[..., None], encoding)
    return PriorityQueue(trials, scores, filled)


def _warm_start(tensors: dict[str, np.ndarray], replicas: int, size: int, encoding: Encoding) -> WarmStartConfigs:
    """Returns the warm start, and removes its tensors from the mapping.

    Raises:
        CheckpointError: A tensor does not fit the problems.
    """
    shape = (replicas, len(encoding.tables.task), size)
    by_choice, actions = (*shape, encoding.tables.rules.decision.shape[1]), encoding.tables.decisions.available.shape[1]
    count = take_counts(_WARM_START + "count", tensors, shape[:2], size)
    action_indices = take_counts(_WARM_START + "action_indices", tensors, by_choice, actions)
    trials = _trials(_WARM_START, tensors, shape, encoding)
    source = take_counts(_WARM_START + "source", tensors, shape, MOST_PROBLEMS - 1)
    values = dense(_WARM_START, tensors, by_choice)
    problem = np.broadcast_to(np.arange(shape[1])[:, None], shape)
    _check_trials(_WARM_START + "decisions", problem, trials, np.arange(size) < count[..., None], encoding)
    _check_numbers(_WARM_START + "numbers", problem, values, encoding)
    return WarmStartConfigs(count, trials, action_indices, values, source)


def _check_numbers(name: str, problem: np.ndarray, numbers: np.ndarray, encoding: Encoding) -> None:
    """Checks that the numbers of ranges are inside of the ranges.

    Raises:
        CheckpointError: A number is outside of its range.
    """
    for row, each in enumerate(encoding.problems):
        for at, choice in enumerate(each.space.choices, start=1):
            if choice.numbers is not None:
                its = numbers[..., at][problem == row]
                if ((its < choice.numbers.low) | (its > choice.numbers.high)).any():
                    raise CheckpointError(
                        f'the tensor {name} has a number outside of {choice.numbers} of "{choice.name}"'
                    )


def _trials(part: str, tensors: dict[str, np.ndarray], shape: tuple[int, ...], encoding: Encoding) -> Trajectory:
    """Returns trajectories, and removes their tensors from the mapping.

    Raises:
        CheckpointError: A tensor is missing, or holds a number that no trajectory has.
    """
    (decisions, actions), by_step = encoding.tables.decisions.available.shape, (*shape, encoding.steps)
    return Trajectory(
        task=take_counts(part + "task", tensors, shape, int(encoding.tables.task.max())),
        decisions=take_counts(part + "decisions", tensors, by_step, decisions - 1),
        actions=take_counts(part + "actions", tensors, by_step, actions - 1),
        length=take_counts(part + "length", tensors, shape, encoding.steps),
    )


def _has_bandit(tensors: dict[str, np.ndarray]) -> bool:
    """Returns whether there is a proposer bandit, which always has a warm start beside it."""
    return any(name.startswith((_BANDIT, _WARM_START)) for name in tensors)


def _bandit(tensors: dict[str, np.ndarray], replicas: int, config: BaseBanditConfig, encoding: Encoding) -> Bandit[Any]:
    """Takes the proposer bandit out of the tensors.

    Raises:
        CheckpointError: it is not one of the problems.
    """
    bandit = config.start(replicas, len(encoding.tables.task))
    found = {name: take(_BANDIT + name, tensors, array.shape, array.dtype) for name, array in bandit.arrays().items()}
    for name, array in found.items():
        check_not_negative(_BANDIT + name, array)
    return type(bandit)(*found.values())


def _filled(expected: LearnerState, tensors: dict[str, np.ndarray]) -> LearnerState:
    """Returns the learner's state with the tensors of the file in place of the expected tensors."""
    leaves = _named_leaves(expected)
    unknown = sorted(tensors.keys() - dict(leaves).keys())
    if unknown:
        raise CheckpointError(f"the tensor {unknown[0]} is unknown to the header's hyperparameters")
    found = [take(name, tensors, leaf.shape, leaf.dtype) for name, leaf in leaves]
    return jax.tree.unflatten(jax.tree.structure(expected), found)


def _check_sizes(config: TrainingConfig, capacity: Capacity, encoding: Encoding, tensors: dict[str, np.ndarray]) -> int:
    """Compares the sizes of the header with the tensors, before arrays of these sizes are allocated.

    Returns:
        Number of replicas.

    Raises:
        CheckpointError: A tensor has another size.
    """
    replicas = replicas_of(tensors)
    if replicas == 0:
        raise CheckpointError("the tensor baseline holds no replica")
    rows, network = replicas * (N_POLICIES if _has_bandit(tensors) else 1), NETWORKS[config.network.kind]
    for name, tensor in network.initial(capacity, config.network).items():
        check_shape(f"policy.{name}", tensors, (rows, *tensor.shape), np.float32)
    if "steps" in network.rows.values() and capacity.steps < encoding.steps:
        raise CheckpointError(
            f"a trial has up to {encoding.steps} steps, but the network has positions for {capacity.steps}"
        )
    kept = (replicas, len(encoding.tables.task), config.queue.size)
    check_shape("queue.reward", tensors, kept, np.float64)
    check_shape("queue.trials.actions", tensors, (*kept, encoding.steps), np.int32)
    return replicas


def _check_trials(name: str, problem: np.ndarray, trials: Trajectory, there: np.ndarray, encoding: Encoding) -> None:
    """Checks that trajectories are trials of their problems, so that they convert to configurations.

    Args:
        name: Name of the tensor in the error.
        problem: Row of the problem of each trial.
        trials: The trajectories.
        there: Mask of the trajectories that are trials and not padding.
        encoding: The problems.

    Raises:
        CheckpointError: A trajectory is not a trial of its problem.
    """
    tables, real = encoding.tables, len(encoding.problems)
    kinds = len(tables.decisions.state)
    often = np.zeros((len(tables.task), kinds), np.int64)  # largest number of times that a trial makes a decision
    for row, each in enumerate(encoding.problems):
        made = tables.rules.decision[tables.space[row], : 1 + len(each.space.choices)]
        often[row] = np.bincount(made, minlength=kinds)
    problem, decisions, actions = problem[there], trials.decisions[there], trials.actions[there]
    length, task = trials.length[there], trials.task[there]
    steps = np.arange(encoding.steps) < length[:, None]
    found = np.bincount((np.arange(len(length))[:, None] * kinds + decisions)[steps], minlength=len(length) * kinds)
    right = (problem < real) & (length > 0) & (task == tables.task[problem])
    right &= decisions[:, 0] == tables.rules.decision[tables.space[problem], 0]
    right &= (found.reshape(-1, kinds) <= often[problem]).all(axis=1)
    right &= (tables.decisions.available[decisions, actions] | ~steps).all(axis=1)
    if not right.all():
        raise CheckpointError(f"the tensor {name} holds a trial that does not fit its problem")
