"""A learner as named tensors, and back: every tensor is checked before it is used."""

import jax
import numpy as np

from .learning.config import TrainingConfig
from .learning.gate import POLICIES, PROPOSERS, Gate
from .learning.history import History
from .learning.learner import Learner
from .learning.memory import Memory, empty_memory
from .learning.queue import Queue
from .learning.scores import Grade, Scores
from .learning.steps import LearnerState, init_state
from .learning.tally import Tally
from .policy.architecture import Capacity
from .policy.networks import NETWORKS
from .spaces.encoding import Encoding, Trajectory

_HISTORY, _GATE, _MEMORY, _QUEUE, _QUEUED = "history.", "gate.", "memory.", "queue.", "queue.trials."


class CheckpointError(ValueError):
    """A file that is no agent, or not one that this version can read."""


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
        told = {"count": learner.memory.count, "taken": learner.memory.taken, **learner.memory.trials._asdict()}
        tensors |= {_MEMORY + name: array for name, array in told.items()}
    return tensors


def parts_of(
    tensors: dict[str, np.ndarray], config: TrainingConfig, capacity: Capacity, encoding: Encoding, version: int
) -> tuple[LearnerState, History, Queue, Tally, Gate | None, Memory | None]:
    """Returns the parts of a learner that are kept as tensors.

    Args:
        tensors: by name; all are taken out.
        config: hyperparameters.
        capacity: room in the networks' tables.
        encoding: the problems.
        version: of the format.

    Raises:
        CheckpointError: they are not those of such a learner; the message names the tensor.
    """
    if version < 5:
        _make_double(tensors)
    replicas = _check_sizes(config, capacity, tensors)
    rows = replicas * (POLICIES if _has_gate(tensors) else 1)
    expected = init_state(np.random.default_rng(0), rows, capacity, config)
    gate = _gate(tensors, replicas, encoding)
    history = _history(tensors, replicas, encoding, version)
    memory = None if gate is None else _memory(tensors, replicas, config.memory, encoding)
    tally, queue = _tally(tensors, replicas, encoding), _queue(tensors, replicas, config.queue_size, encoding)
    return _filled(expected, tensors), history, queue, tally, gate, memory


def _named_leaves(state: LearnerState) -> list[tuple[str, np.ndarray]]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    return [(jax.tree_util.keystr(path).lstrip("."), np.asarray(leaf)) for path, leaf in leaves]


def _history(tensors: dict[str, np.ndarray], replicas: int, encoding: Encoding, version: int) -> History:
    """Takes the history out of the tensors; the first version had none, those before the fourth had no proposers.

    Raises:
        CheckpointError: it is not one of trials of the problems.
    """
    history = History.empty(replicas, encoding.steps)
    if _HISTORY + "reward" not in tensors:
        return history
    reward = tensors[_HISTORY + "reward"]
    count = reward.shape[-1] if reward.ndim else 0
    most = {"problem": len(encoding.problems) - 1, **_largest(encoding)}
    _check_scores(_HISTORY, tensors, (replicas, count))
    for name, limit in most.items():
        steps = (encoding.steps,) if name in ("decisions", "actions") else ()
        _check_shape(_HISTORY + name, tensors, (replicas, count, *steps), np.dtype(np.int32))
        _check_limits(_HISTORY + name, tensors[_HISTORY + name], limit)
    if version < 4:
        tensors[_HISTORY + "member"] = np.full((replicas, count), -1, np.int32)
    _check_shape(_HISTORY + "member", tensors, (replicas, count), np.dtype(np.int32))
    _check_limits(_HISTORY + "member", tensors[_HISTORY + "member"], PROPOSERS - 1, least=-1)
    told = {name: tensors.pop(_HISTORY + name) for name in (*most, *Scores._fields, "member")}
    problem, member = told.pop("problem"), told.pop("member")
    scores = Scores(*(told.pop(name) for name in Scores._fields))
    trials = Trajectory(**told)
    for trial in range(count):
        one: Trajectory = jax.tree.map(lambda leaf, at=trial: leaf[:, at], trials)
        history = history.appended(problem[:, trial], one, scores.at((slice(None), trial)), member[:, trial])
    return history


def _tally(tensors: dict[str, np.ndarray], replicas: int, encoding: Encoding) -> Tally:
    """Takes the tally out of the tensors.

    Raises:
        CheckpointError: it is not one of the problems.
    """
    shape = replicas, len(encoding.tables.task)
    for name, dtype in (("baseline", np.float64), ("started", np.bool_), ("trials", np.int32)):
        _check_shape(name, tensors, shape, np.dtype(dtype))
    check_finite("baseline", tensors["baseline"])
    return Tally(tensors.pop("baseline"), tensors.pop("started"), tensors.pop("trials"))


def _queue(tensors: dict[str, np.ndarray], replicas: int, size: int, encoding: Encoding) -> Queue:
    """Takes the queues out of the tensors.

    Raises:
        CheckpointError: they are not those of trials of the problems.
    """
    shape = replicas, len(encoding.tables.task), size
    _check_scores(_QUEUE, tensors, shape)
    _check_shape(_QUEUE + "filled", tensors, shape[:2], np.dtype(np.int32))
    _check_limits(_QUEUE + "filled", tensors[_QUEUE + "filled"], size)
    for name, most in _largest(encoding).items():
        steps = (encoding.steps,) if name in ("decisions", "actions") else ()
        _check_shape(_QUEUED + name, tensors, (*shape, *steps), np.dtype(np.int32))
        _check_limits(_QUEUED + name, tensors[_QUEUED + name], most)
    trials = Trajectory(**{name: tensors.pop(_QUEUED + name) for name in Trajectory._fields})
    return Queue(trials, Scores(*(tensors.pop(_QUEUE + name) for name in Scores._fields)), tensors.pop("queue.filled"))


def _check_scores(part: str, tensors: dict[str, np.ndarray], shape: tuple[int, ...]) -> None:
    _check_shape(part + "reward", tensors, shape, np.dtype(np.float64))
    _check_shape(part + "grade", tensors, shape, np.dtype(np.int32))
    check_finite(part + "reward", tensors[part + "reward"])
    _check_limits(part + "grade", tensors[part + "grade"], max(Grade), min(Grade))


def _memory(tensors: dict[str, np.ndarray], replicas: int, size: int, encoding: Encoding) -> Memory:
    """Takes the memory out of the tensors.

    Raises:
        CheckpointError: it is not one of trials of the problems.
    """
    problems, choices = len(encoding.tables.task), encoding.tables.rules.decision.shape[1]
    memory = empty_memory(replicas, problems, size, encoding.steps, choices)
    most = {"count": size, "taken": encoding.tables.decisions.available.shape[1], **_largest(encoding)}
    expected = {"count": memory.count, "taken": memory.taken, **memory.trials._asdict()}
    for name, like in expected.items():
        _check_shape(_MEMORY + name, tensors, like.shape, like.dtype)
        _check_limits(_MEMORY + name, tensors[_MEMORY + name], most[name])
    found = {name: tensors.pop(_MEMORY + name) for name in expected}
    return Memory(found.pop("count"), taken=found.pop("taken"), trials=Trajectory(**found))


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
        _check_shape(name, tensors, (replicas, len(encoding.tables.task), PROPOSERS), np.dtype(np.float64))
        check_finite(name, tensors[name])
        if tensors[name].min() < 0:
            raise CheckpointError(f"the tensor {name} holds values below 0")
    return Gate(tensors.pop(_GATE + "count"), tensors.pop(_GATE + "total"))


def _filled(expected: LearnerState, tensors: dict[str, np.ndarray]) -> LearnerState:
    """Returns the state with the file's tensors in the place of the expected ones."""
    found, leaves = [], _named_leaves(expected)
    unknown = sorted(tensors.keys() - dict(leaves).keys())
    if unknown:
        raise CheckpointError(f"the tensor {unknown[0]} is none that the header's hyperparameters have")
    for name, leaf in leaves:
        _check_shape(name, tensors, leaf.shape, leaf.dtype)
        check_finite(name, tensors[name])
        found.append(tensors[name])
    return jax.tree.unflatten(jax.tree.structure(expected), found)


def check_finite(name: str, tensor: np.ndarray) -> None:
    """Checks that a tensor holds finite numbers.

    Raises:
        CheckpointError: it does not.
    """
    if np.issubdtype(tensor.dtype, np.floating) and not np.isfinite(tensor).all():
        raise CheckpointError(f"the tensor {name} holds values that are not finite")


def _check_sizes(config: TrainingConfig, capacity: Capacity, tensors: dict[str, np.ndarray]) -> int:
    """Checks what sizes the header says against the tensors, before anything of those sizes is made.

    Returns:
        The number of replicas.
    """
    float32 = np.dtype(np.float32)
    replicas = len(tensors["baseline"]) if tensors.get("baseline", np.zeros(())).ndim else 1
    if replicas == 0:
        raise CheckpointError("the tensor baseline holds no replica")
    rows = replicas * (POLICIES if _has_gate(tensors) else 1)
    said: dict[str, tuple[int, ...]] = {
        "policy.state": (rows, capacity.states, config.embedding_size),
        "policy.action": (rows, capacity.actions, config.embedding_size),
        "policy.task": (rows, capacity.tasks, config.embedding_size),
    }
    shapes = NETWORKS[config.network].shapes(capacity, config)
    said |= {f"policy.{name}": (rows, *shape) for name, shape in shapes.items()}
    for name, shape in said.items():
        _check_shape(name, tensors, shape, float32)
    return replicas


def _check_shape(name: str, tensors: dict[str, np.ndarray], shape: tuple[int, ...], dtype: np.dtype) -> None:
    if name not in tensors:
        raise CheckpointError(f"the tensor {name} is missing")
    found = tensors[name]
    if found.shape != shape or found.dtype != dtype:
        raise CheckpointError(
            f"the tensor {name} is {found.dtype}{list(found.shape)} and should be {dtype}{list(shape)}"
        )


def _largest(encoding: Encoding) -> dict[str, int]:
    """Returns the largest value that each field of a trajectory can have."""
    decisions, actions = encoding.tables.decisions.available.shape
    task = int(encoding.tables.task.max())
    return {"task": task, "decisions": decisions - 1, "actions": actions - 1, "length": encoding.steps}


def _check_limits(name: str, tensor: np.ndarray, most: int, least: int = 0) -> None:
    if tensor.size and (tensor.min() < least or tensor.max() > most):
        raise CheckpointError(f"the tensor {name} holds values that are not from {least} to {most}")


def _make_double(tensors: dict[str, np.ndarray]) -> None:
    """Makes of tensors what they are since the fifth version; before, rewards were single, and each policy had all.

    A reward becomes the shortest number that is the same in single precision, for such a one was told.
    """
    step = POLICIES if _has_gate(tensors) else 1
    for name in [name for name in tensors if name in ("baseline", "started", "trials") or name.startswith(_QUEUE)]:
        tensors[name] = tensors[name][::step] if tensors[name].ndim else tensors[name]
    if tensors.get("baseline", np.zeros(())).dtype == np.float32:
        tensors["baseline"] = tensors["baseline"].astype(np.float64)
    if tensors.get(_QUEUE + "reward", np.zeros(())).dtype == np.float32:
        tensors[_QUEUE + "reward"] = tensors[_QUEUE + "reward"].astype(np.str_).astype(np.float64)
    for part in (_QUEUE, _HISTORY):
        if part + "reward" in tensors:
            tensors[part + "grade"] = np.full(tensors[part + "reward"].shape, Grade.FINITE, np.int32)
