"""A learner as named tensors, and back: every tensor is checked before it is used."""

import jax
import numpy as np

from ..learning.archive import MOST_PROBLEMS
from ..learning.config import TrainingConfig
from ..learning.gate import POLICIES, PROPOSERS, Gate
from ..learning.history import History
from ..learning.learner import Learner
from ..learning.memory import Memory
from ..learning.queue import Queue
from ..learning.scores import Scores
from ..learning.steps import LearnerState, init_state
from ..learning.tally import Tally
from ..policy.architecture import Capacity
from ..policy.networks import NETWORKS
from ..spaces.encoding import Encoding
from ..spaces.trajectory import Trajectory
from .archive_tensors import ARCHIVE, archive_tensors
from .tensor_checks import (
    CheckpointError,
    check_finite,
    check_limits,
    check_not_negative,
    check_scores,
    check_shape,
    dense,
    sparse,
)

_NARROW: tuple[type[np.integer], ...] = (np.uint8, np.int8, np.uint16, np.int16)
_PARTS = ("policy", "optimizer", "history", "queue", "memory", "gate", "archive")
_HISTORY, _GATE, _MEMORY, _QUEUE, _QUEUED = "history.", "gate.", "memory.", "queue.", "queue.trials."


def tensors_of(learner: Learner) -> dict[str, np.ndarray]:
    """Returns everything of a learner that is kept as tensors, by name."""
    tensors, tally, queue = dict(_named_leaves(learner.state)), learner.tally, learner.queue
    tensors |= {"baseline": tally.baseline, "started": tally.started, "trials": tally.trials}
    tensors |= {_QUEUE + name: array for name, array in queue.scores._asdict().items()}
    tensors |= {_QUEUED + name: array for name, array in queue.trials._asdict().items()}
    tensors[_QUEUE + "filled"] = queue.filled
    history, count = learner.history, learner.history.count
    told = {
        "problem": history.problem,
        "member": history.member,
        **history.scores._asdict(),
        **history.trials._asdict(),
    }
    tensors |= {_HISTORY + name: array[:, :count] for name, array in told.items()}
    if learner.gate is not None:
        tensors |= {_GATE + "count": learner.gate.count, _GATE + "total": learner.gate.total}
    if learner.memory is not None:
        memory = learner.memory
        told = {"count": memory.count, "taken": memory.taken, "source": memory.source, **memory.trials._asdict()}
        tensors |= sparse(_MEMORY, memory.values)
        tensors |= {_MEMORY + name: array for name, array in told.items()}
    tensors |= archive_tensors(learner.archive)
    return {name: _narrowed(tensor) if _counts(name) else tensor for name, tensor in tensors.items()}


def bytes_of(learner: Learner) -> dict[str, int]:
    """Returns how many bytes of a learner's file each part of it takes, the largest first."""
    parts: dict[str, int] = {}
    for name, tensor in tensors_of(learner).items():
        part = name.split(".")[0].split("[")[0]
        part = part if part in _PARTS else "tally"
        parts[part] = parts.get(part, 0) + tensor.nbytes
    return dict(sorted(parts.items(), key=lambda item: -item[1]))


def parts_of(
    tensors: dict[str, np.ndarray], config: TrainingConfig, capacity: Capacity, encoding: Encoding
) -> tuple[LearnerState, History, Queue, Tally, Gate | None, Memory | None]:
    """Returns the parts of a learner that are kept as tensors.

    Args:
        tensors: by name; all are taken out.
        config: hyperparameters.
        capacity: room in the networks' tables.
        encoding: the problems.

    Raises:
        CheckpointError: they are not those of such a learner; the message names the tensor.
    """
    replicas = _check_sizes(config, capacity, encoding, tensors)
    rows = replicas * (POLICIES if _has_gate(tensors) else 1)
    expected = init_state(np.random.default_rng(0), rows, capacity, config)
    gate, rule = _gate(tensors, replicas, encoding), config.transfer.gate
    if gate is not None and rule is None:
        raise CheckpointError("there are the tensors of a gate, which the header's hyperparameters do not have")
    history = _history(tensors, replicas, encoding)
    memory = None if gate is None or rule is None else _memory(tensors, replicas, rule.memory, encoding)
    tally, queue = _tally(tensors, replicas, encoding), _queue(tensors, replicas, config.queue.size, encoding)
    state = _filled(expected, tensors)
    for name, leaf in _named_leaves(state):
        if name.endswith((".count", ".nu")):  # of Adam, which takes a root of nu
            check_not_negative(name, leaf)
    return state, history, queue, tally, gate, memory


def _counts(name: str) -> bool:
    """Returns whether a tensor holds what was counted, if it holds whole numbers."""
    return name == "trials" or name.startswith((_HISTORY, _QUEUE, _MEMORY, ARCHIVE))


def _narrowed(tensor: np.ndarray) -> np.ndarray:
    """Returns whole numbers of 32 bits in the narrowest type that holds them all; most are small."""
    if tensor.dtype != np.int32 or not tensor.size:
        return tensor
    least, most = tensor.min(), tensor.max()
    for narrow in _NARROW:
        limits: np.iinfo = np.iinfo(narrow)
        if limits.min <= least and most <= limits.max:
            return tensor.astype(narrow)
    return tensor


def replicas_of(tensors: dict[str, np.ndarray]) -> int:
    """Returns how many replicas tensors are of, as far as they tell."""
    return len(tensors["baseline"]) if tensors.get("baseline", np.zeros(())).ndim else 1


def widened(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns tensors of a file with whole numbers of 32 bits, as they were."""
    return {
        name: tensor.astype(np.int32) if _counts(name) and tensor.dtype in _NARROW else tensor
        for name, tensor in tensors.items()
    }


def _named_leaves(state: LearnerState) -> list[tuple[str, np.ndarray]]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    return [(jax.tree_util.keystr(path).lstrip("."), np.asarray(leaf)) for path, leaf in leaves]


def _history(tensors: dict[str, np.ndarray], replicas: int, encoding: Encoding) -> History:
    """Takes the history out of the tensors.

    Raises:
        CheckpointError: it is not one of trials of the problems.
    """
    reward = tensors.get(_HISTORY + "reward", np.zeros(0))
    count = reward.shape[-1] if reward.ndim else 0
    most = {"problem": len(encoding.problems) - 1, **_largest(encoding)}
    check_scores(_HISTORY, tensors, (replicas, count))
    for name, limit in most.items():
        steps = (encoding.steps,) if name in ("decisions", "actions") else ()
        check_shape(_HISTORY + name, tensors, (replicas, count, *steps), np.dtype(np.int32))
        check_limits(_HISTORY + name, tensors[_HISTORY + name], limit)
    check_shape(_HISTORY + "member", tensors, (replicas, count), np.dtype(np.int32))
    check_limits(_HISTORY + "member", tensors[_HISTORY + "member"], PROPOSERS - 1, least=-1)
    told = {name: tensors.pop(_HISTORY + name) for name in (*most, *Scores._fields, "member")}
    problem, member = told.pop("problem"), told.pop("member")
    scores = Scores(*(told.pop(name) for name in Scores._fields))
    trials = Trajectory(**told)
    _check_trials(_HISTORY + "decisions", problem, trials, np.ones(problem.shape, bool), encoding)
    return History.empty(replicas, encoding.steps).extended(problem, trials, scores, member)


def _tally(tensors: dict[str, np.ndarray], replicas: int, encoding: Encoding) -> Tally:
    """Takes the tally out of the tensors.

    Raises:
        CheckpointError: it is not one of the problems.
    """
    shape = replicas, len(encoding.tables.task)
    for name, dtype in (("baseline", np.float64), ("started", np.bool_), ("trials", np.int32)):
        check_shape(name, tensors, shape, np.dtype(dtype))
    check_finite("baseline", tensors["baseline"])
    check_not_negative("trials", tensors["trials"])
    return Tally(tensors.pop("baseline"), tensors.pop("started"), tensors.pop("trials"))


def _queue(tensors: dict[str, np.ndarray], replicas: int, size: int, encoding: Encoding) -> Queue:
    """Takes the queues out of the tensors.

    Raises:
        CheckpointError: they are not those of trials of the problems.
    """
    shape = replicas, len(encoding.tables.task), size
    check_scores(_QUEUE, tensors, shape)
    check_shape(_QUEUE + "filled", tensors, shape[:2], np.dtype(np.int32))
    check_limits(_QUEUE + "filled", tensors[_QUEUE + "filled"], size)
    for name, most in _largest(encoding).items():
        steps = (encoding.steps,) if name in ("decisions", "actions") else ()
        check_shape(_QUEUED + name, tensors, (*shape, *steps), np.dtype(np.int32))
        check_limits(_QUEUED + name, tensors[_QUEUED + name], most)
    trials = Trajectory(**{name: tensors.pop(_QUEUED + name) for name in Trajectory._fields})
    filled = tensors.pop("queue.filled")
    problem = np.broadcast_to(np.arange(shape[1])[:, None], shape)
    _check_trials(_QUEUED + "decisions", problem, trials, np.arange(size) < filled[..., None], encoding)
    return Queue(trials, Scores(*(tensors.pop(_QUEUE + name) for name in Scores._fields)), filled)


def _memory(tensors: dict[str, np.ndarray], replicas: int, size: int, encoding: Encoding) -> Memory:
    """Takes the memory out of the tensors.

    Raises:
        CheckpointError: it is not one of trials of the problems.
    """
    shape = (replicas, len(encoding.tables.task), size)
    shapes = {"count": shape[:2], "taken": (*shape, encoding.tables.rules.decision.shape[1])}
    shapes |= {"task": shape, "length": shape} | dict.fromkeys(("decisions", "actions"), (*shape, encoding.steps))
    most = {"count": size, "taken": encoding.tables.decisions.available.shape[1], **_largest(encoding)}
    for name, limit in most.items():
        check_shape(_MEMORY + name, tensors, shapes[name], np.dtype(np.int32))
        check_limits(_MEMORY + name, tensors[_MEMORY + name], limit)
    check_shape(_MEMORY + "source", tensors, shape, np.dtype(np.int32))
    check_limits(_MEMORY + "source", tensors[_MEMORY + "source"], MOST_PROBLEMS - 1)
    values = dense(_MEMORY, tensors, shapes["taken"])
    found = {name: tensors.pop(_MEMORY + name) for name in (*most, "source")}
    count, taken, source = (found.pop(name) for name in ("count", "taken", "source"))
    memory = Memory(count, Trajectory(**found), taken, values, source)
    slots = np.arange(size) < memory.count[..., None]
    problem = np.broadcast_to(np.arange(shape[1])[:, None], shape)
    _check_trials(_MEMORY + "decisions", problem, memory.trials, slots, encoding)
    return memory


def _has_gate(tensors: dict[str, np.ndarray]) -> bool:
    return any(name.startswith(_GATE) for name in tensors)


def _gate(tensors: dict[str, np.ndarray], replicas: int, encoding: Encoding) -> Gate | None:
    """Takes the gate out of the tensors, if there is one.

    Raises:
        CheckpointError: it is not one of the problems.
    """
    if not _has_gate(tensors):
        return None
    for name in (_GATE + "count", _GATE + "total"):
        check_shape(name, tensors, (replicas, len(encoding.tables.task), PROPOSERS), np.dtype(np.float64))
        check_finite(name, tensors[name])
        check_not_negative(name, tensors[name])
    return Gate(tensors.pop(_GATE + "count"), tensors.pop(_GATE + "total"))


def _filled(expected: LearnerState, tensors: dict[str, np.ndarray]) -> LearnerState:
    """Returns the state with the file's tensors in the place of the expected ones."""
    found, leaves = [], _named_leaves(expected)
    unknown = sorted(tensors.keys() - dict(leaves).keys())
    if unknown:
        raise CheckpointError(f"the tensor {unknown[0]} is none that the header's hyperparameters have")
    for name, leaf in leaves:
        check_shape(name, tensors, leaf.shape, leaf.dtype)
        check_finite(name, tensors[name])
        found.append(tensors[name])
    return jax.tree.unflatten(jax.tree.structure(expected), found)


def _check_sizes(config: TrainingConfig, capacity: Capacity, encoding: Encoding, tensors: dict[str, np.ndarray]) -> int:
    """Checks what sizes the header says against the tensors, before anything of those sizes is made.

    Returns:
        The number of replicas.
    """
    float32, int32 = np.dtype(np.float32), np.dtype(np.int32)
    replicas = replicas_of(tensors)
    if replicas == 0:
        raise CheckpointError("the tensor baseline holds no replica")
    rows, network = replicas * (POLICIES if _has_gate(tensors) else 1), NETWORKS[config.network.kind]
    for name, shape in network.shapes(capacity, config.network).items():
        check_shape(f"policy.{name}", tensors, (rows, *shape), float32)
    if "steps" in network.rows.values() and capacity.steps < encoding.steps:
        raise CheckpointError(
            f"a trial has up to {encoding.steps} steps, and the network positions for {capacity.steps}"
        )
    kept = (replicas, len(encoding.tables.task), config.queue.size)
    check_shape("queue.reward", tensors, kept, np.dtype(np.float64))
    check_shape("queue.trials.actions", tensors, (*kept, encoding.steps), int32)
    return replicas


def _check_trials(name: str, problem: np.ndarray, trials: Trajectory, there: np.ndarray, encoding: Encoding) -> None:
    """Checks that trajectories are trials of their problems, which can be read as configurations.

    Args:
        name: of the tensor that is to blame.
        problem: the row of the problem of each trial.
        trials: the trajectories.
        there: which of them are no mere room.
        encoding: the problems.
    """
    tables, real = encoding.tables, len(encoding.problems)
    kinds = len(tables.decisions.state)
    often = np.zeros((len(tables.task), kinds), np.int64)  # how often a trial of a problem may make a decision
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
        raise CheckpointError(f"the tensor {name} holds a trial that is none of its problem")


def _largest(encoding: Encoding) -> dict[str, int]:
    """Returns the largest value that each field of a trajectory can have."""
    decisions, actions = encoding.tables.decisions.available.shape
    task = int(encoding.tables.task.max())
    return {"task": task, "decisions": decisions - 1, "actions": actions - 1, "length": encoding.steps}
