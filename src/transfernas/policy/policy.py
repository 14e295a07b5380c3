"""What a policy is: a network that scores the available actions of each decision of a trajectory.

The learner and the agent know policies by this interface alone. Methods are about one network and one trajectory; the
learner maps them over replicas and batches. Shapes: `steps` is the padded length of a trajectory, `actions` the padded
number of candidates of a decision, `width` three embeddings side by side.
"""

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

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
Candidates = Any  # a PyTree: what the network knows of the actions to choose from; every leaf has decisions first
Cache = Any  # a PyTree: what the steps so far left
Entries = Any  # a PyTree: what each candidate would leave, were it taken


P = TypeVar("P", bound="Policy")


class Policy(eqx.Module):
    """The parameters of a policy (the paper's theta); the learner's have an axis of replicas before the others.

    Attributes:
        state: embeddings of the states.
        action: embeddings of the actions.
        task: embeddings of the tasks.
        rows: the fields that have a row for each name or step, and which: a field of `Capacity`.
    """

    state: Float[AnyArray, "*replicas states embedding"]
    action: Float[AnyArray, "*replicas actions embedding"]
    task: Float[AnyArray, "*replicas tasks embedding"]
    rows: ClassVar[Mapping[str, str]]

    @classmethod
    @abc.abstractmethod
    def draw(cls, rng: np.random.Generator, capacity: Capacity, architecture: Any) -> "Policy":
        """Draws a network, as NumPy arrays: nothing is compiled for it."""

    @classmethod
    @abc.abstractmethod
    def shapes(cls, capacity: Capacity, architecture: Any) -> dict[str, tuple[int, ...]]:
        """Returns the shapes of all tensors of a network, by their path."""

    @property
    def capacity(self) -> Capacity:
        """The room in its tables."""
        return Capacity(self.state.shape[-2], self.action.shape[-2], self.task.shape[-2], self.steps)

    @property
    def steps(self) -> int:
        """The longest trajectory that it has positions for; 1 where it needs none."""
        return 1

    @abc.abstractmethod
    def candidate_logits(
        self, decisions: Decisions, trajectory: Trajectory, slots: Slots
    ) -> Float[Array, "steps actions"]:
        """Scores every available action of every step of a trajectory, given the actions taken before it.

        Args:
            decisions: every decision that can occur.
            trajectory: what was decided.
            slots: room for all candidates of all steps, see `Tables`.

        Returns:
            Logits, Shape `[steps, actions]`; those of unavailable actions and padded steps mean nothing.
        """

    @abc.abstractmethod
    def candidates(self, decisions: Decisions, task: Int[Array, ""]) -> Candidates:
        """Returns what the network needs to know of the candidates of decisions, one row a decision.

        Args:
            decisions: the decisions, Shape `[rows]` and `[rows, actions]`.
            task: row of the task.
        """

    @abc.abstractmethod
    def empty_cache(self, steps: int) -> Cache:
        """Returns the cache of a sequence that has room for so many steps and none yet."""

    @abc.abstractmethod
    def decode_step(
        self, decision: Candidates, cache: Cache, step: Int[Array, ""]
    ) -> tuple[Float[Array, "actions"], Entries]:
        """Scores the candidates of the next decision.

        Args:
            decision: the candidates, one row.
            cache: what the steps before this one left.
            step: how many steps came before.

        Returns:
            Logits, Shape `[actions]`, and what each candidate would leave in the cache.
        """

    @abc.abstractmethod
    def append(self, cache: Cache, entries: Entries, step: Int[Array, ""], action: Int[Array, ""]) -> Cache:
        """Returns the cache after the action taken at a step."""

    @classmethod
    def block(cls, steps: int) -> int:
        """After how many steps of so many the cache is to be `settled`; all of them for never."""
        return steps

    def settled(self, cache: Cache, first: Int[Array, ""]) -> Cache:
        """Returns the cache after a block of steps, such that the steps of the next block change little of it.

        Args:
            cache: what all steps so far left.
            first: the first step of the block.
        """
        return cache


def inherited(policy: P, lineage: Lineage | None) -> P:
    """Returns a network in which the rows of members of a family are the family's plus their own."""
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
    """Returns the tokens of candidates: action, task and state embedding side by side (paper, section 3)."""
    action = policy.action[decisions.actions]
    state = jnp.broadcast_to(policy.state[decisions.state][:, None], action.shape)
    return jnp.concatenate([action, jnp.broadcast_to(policy.task[task], action.shape), state], -1)


def visited(decisions: Decisions, trajectory: Trajectory) -> Decisions:
    """Returns the decision of each step of a trajectory."""
    rows: Decisions = jax.tree.map(lambda table: table[trajectory.decisions], decisions)
    return rows


def chosen(tokens: Rows, trajectory: Trajectory) -> Float[Array, "steps width"]:
    """Returns the token of the action taken at each step."""
    return jnp.take_along_axis(tokens, trajectory.actions[:, None, None], axis=1)[:, 0]


def parameters(policy: Policy) -> int:
    """Returns how many numbers a policy without replicas learns."""
    return sum(leaf.size for leaf in jax.tree.leaves(policy))


def normal(rng: np.random.Generator, scale: float, *shape: int) -> np.ndarray:
    """Draws from a normal distribution, in single precision."""
    return np.float32(scale) * rng.standard_normal(shape, np.float32)


def weights(rng: np.random.Generator, scale: float, *shape: int) -> np.ndarray:
    """Draws matrices that keep the scale of their input, times `scale`; the inputs are the last axis but one."""
    return normal(rng, scale * shape[-2] ** -0.5, *shape)


def embedding_shapes(capacity: Capacity, architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of the embeddings that every policy has."""
    size = architecture.embedding_size
    return {"state": (capacity.states, size), "action": (capacity.actions, size), "task": (capacity.tasks, size)}


def draw_embeddings(rng: np.random.Generator, capacity: Capacity, architecture: Architecture) -> dict[str, np.ndarray]:
    """Draws the embeddings that every policy has."""
    a = architecture
    scales = {"state": a.context_scale, "action": a.embedding_scale, "task": a.context_scale}
    return {name: normal(rng, scales[name], *shape) for name, shape in embedding_shapes(capacity, a).items()}
