"""Interface of policies: networks that score the available actions of each decision of a trajectory.

The learner and the agent use this interface alone. A method works on a single network and a single trajectory; the
learner maps methods over replicas and batches. Shapes: `steps` is the padded length of a trajectory, `actions` the
padded number of candidates of a decision, `width` the size of three embeddings.
"""

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ..arrays import AnyArray
from ..spaces.tables import Decisions, Lineage
from ..spaces.trajectory import Trajectory
from .architecture import Architecture, Capacity

Rows = Float[Array, "rows actions width"]
Slots = Int[AnyArray, "candidates"]
Candidates = Any  # a PyTree of the network's inputs for the candidates; the first axis of every leaf is decisions
Cache = Any  # a PyTree of the network's state after the steps so far
Entries = Any  # a PyTree of the cache entries of each candidate, of which `append` keeps those of the action taken


P = TypeVar("P", bound="Policy")


class Initial(NamedTuple):
    """Initial values of a tensor of a network.

    Attributes:
        shape: Shape of the tensor.
        scale: Standard deviation of the initial values; None for zeros.
    """

    shape: tuple[int, ...]
    scale: float | None = None

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Draws the values from a normal distribution, in single precision."""
        if self.scale is None:
            return np.zeros(self.shape, np.float32)
        return np.float32(self.scale) * rng.standard_normal(self.shape, np.float32)


class Policy(eqx.Module):
    """Parameters of a policy (the paper's theta); in a learner, an axis of replicas comes before the others.

    Attributes:
        state: Shape `[states, embedding]`, embeddings of the states.
        action: Shape `[actions, embedding]`, embeddings of the actions.
        task: Shape `[tasks, embedding]`, embeddings of the tasks.
        rows: Mapping from each parameter with a row for each name or step to the field of `Capacity` that counts the
            rows. A transfer keeps the rows of known names.
        token_action: The action in the token of a step: "taken" at this step, or "before" for that of the step before;
            None for a network without layers of attention.
    """

    state: Float[AnyArray, "*replicas states embedding"]
    action: Float[AnyArray, "*replicas actions embedding"]
    task: Float[AnyArray, "*replicas tasks embedding"]
    rows: ClassVar[Mapping[str, str]] = {"state": "states", "action": "actions", "task": "tasks"}
    token_action: ClassVar[Literal["taken", "before"] | None] = None

    @classmethod
    @abc.abstractmethod
    def initial(cls, capacity: Capacity, architecture: Any) -> dict[str, Initial]:
        """Returns the shapes and the initial values of all tensors of a network, by their paths."""

    @classmethod
    @abc.abstractmethod
    def build(cls, drawn: dict[str, Any], architecture: Any) -> "Policy":
        """Returns a network.

        Args:
            drawn: NumPy arrays with the initial values that `initial` describes, by their paths, to be used up.
            architecture: Settings of the network.
        """

    @property
    def capacity(self) -> Capacity:
        """Numbers of rows of the tables."""
        return Capacity(self.state.shape[-2], self.action.shape[-2], self.task.shape[-2], self.steps)

    @property
    def steps(self) -> int:
        """Number of steps with a positional encoding; 1 for a network without positional encodings."""
        return 1

    @abc.abstractmethod
    def candidate_logits(
        self, decisions: Decisions, trajectory: Trajectory, slots: Slots
    ) -> Float[Array, "steps actions"]:
        """Scores every available action of every step of a trajectory, given the actions of the earlier steps.

        Args:
            decisions: All decisions that can occur.
            trajectory: Decisions and actions of the trajectory.
            slots: Shape `[candidates]`, room for all candidates of all steps, see `Tables`.

        Returns:
            Logits, Shape `[steps, actions]`. Logits of unavailable actions and padded steps are arbitrary.
        """

    @abc.abstractmethod
    def candidates(self, decisions: Decisions, task: Int[Array, ""]) -> Candidates:
        """Returns the network's inputs for the candidates of decisions, with a row for each decision.

        Args:
            decisions: The decisions, Shape `[rows]` and `[rows, actions]`.
            task: Row of the task.
        """

    @abc.abstractmethod
    def empty_cache(self, steps: int) -> Cache:
        """Returns the cache of an empty sequence, with room for a number of steps."""

    @abc.abstractmethod
    def decode_step(
        self, decision: Candidates, cache: Cache, step: Int[Array, ""]
    ) -> tuple[Float[Array, "actions"], Entries]:
        """Scores the candidates of the next decision.

        Args:
            decision: Candidates, with a single row.
            cache: Cache after the earlier steps.
            step: Number of earlier steps.

        Returns:
            Logits, Shape `[actions]`, and the cache entries of each candidate.
        """

    @abc.abstractmethod
    def append(self, cache: Cache, entries: Entries, step: Int[Array, ""], action: Int[Array, ""]) -> Cache:
        """Returns the cache with the entries of the action taken at a step."""

    def attention_weights(
        self, decisions: Decisions, trajectory: Trajectory
    ) -> Float[Array, "layers heads steps steps"]:
        """Returns the attention of each step of a trajectory to the token of this step and to the earlier tokens.

        Args:
            decisions: All decisions that can occur.
            trajectory: Decisions and actions of the trajectory.

        Returns:
            Weights, Shape `[layers, heads, steps, steps]`. Row m has the weights of step m over steps 0 to m, which sum
            to 1. Step 0 is S. Rows and columns from the trajectory's length on are arbitrary.

        Raises:
            NotImplementedError: The network has no layers of attention.
        """
        raise NotImplementedError(f"{type(self).__name__} has no layers of attention")

    @classmethod
    def block(cls, steps: int) -> int:
        """Returns the number of steps after which to call `settled`, for a trajectory of `steps`; `steps` for never."""
        return steps

    def settled(self, cache: Cache, first: Int[Array, ""]) -> Cache:
        """Returns the cache after a block of steps, arranged so that the next block changes a small part of the arrays.

        Args:
            cache: Cache after all steps so far.
            first: First step of the block.
        """
        return cache


def inherited(policy: P, lineage: Lineage | None) -> P:
    """Returns a network in which the row of each member of a family is the family's row plus the member's own row."""
    if lineage is None:
        return policy
    tables = {}
    for name, kind in policy.rows.items():
        parent, table = getattr(lineage, kind, None), getattr(policy, name)
        if parent is not None:
            tables[name] = table.at[: len(parent)].add(jnp.where(_column(parent >= 0, table), table[parent], 0.0))
    return dataclasses.replace(policy, **tables)


def _column(rows: Bool[Array, "rows"], table: Array) -> Bool[Array, "rows *ones"]:
    return rows.reshape(-1, *[1] * (table.ndim - 1))


def tokens(policy: Policy, decisions: Decisions, task: Int[Array, ""]) -> Rows:
    """Returns the tokens of candidates, the concatenated embeddings of action, task and state (paper, section 3)."""
    action = policy.action[decisions.actions]
    state = jnp.broadcast_to(policy.state[decisions.state][:, None], action.shape)
    return jnp.concatenate([action, jnp.broadcast_to(policy.task[task], action.shape), state], -1)


def visited(decisions: Decisions, trajectory: Trajectory) -> Decisions:
    """Returns the decision of each step of a trajectory."""
    return jax.tree.map(lambda table: table[trajectory.decisions], decisions)


def chosen(tokens: Rows, trajectory: Trajectory) -> Float[Array, "steps width"]:
    """Returns the token of the action taken at each step."""
    return jnp.take_along_axis(tokens, trajectory.actions[:, None, None], axis=1)[:, 0]


def weights(scale: float, *shape: int) -> Initial:
    """Returns matrices that multiply the scale of their inputs, the last axis but one, by `scale`."""
    return Initial(shape, scale * shape[-2] ** -0.5)


def embeddings(capacity: Capacity, architecture: Architecture) -> dict[str, Initial]:
    """Returns the embeddings that every policy has."""
    a = architecture
    return {
        "state": Initial((capacity.states, a.embedding_size), a.context_scale),
        "action": Initial((capacity.actions, a.embedding_size), a.embedding_scale),
        "task": Initial((capacity.tasks, a.embedding_size), a.context_scale),
    }


def take_part(drawn: dict[str, Any], part: str) -> dict[str, Any]:
    """Returns the tensors of a part of a network by their paths inside of the part, and removes them from `drawn`."""
    inside = [name for name in drawn if name.startswith(f"{part}.")]
    return {name.removeprefix(f"{part}."): drawn.pop(name) for name in inside}
