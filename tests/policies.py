"""Networks whose every weight matters, and the probabilities that they give to trajectories."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from transfernas import (
    DecoderConfig,
    LstmConfig,
    Problem,
    Reinforce,
    TrainingConfig,
    TransformerConfig,
)
from transfernas.learning.learner import Learner, new_learner
from transfernas.learning.likelihood import log_prob, step_log_probs
from transfernas.learning.reinforce import ReinforceBatch
from transfernas.policy.architecture import Attention, NetworkConfig
from transfernas.policy.policy import Policy
from transfernas.spaces.trajectory import Trajectory

# Other networks than the Transformer as it is by default; the LSTM's rows are scaled up for what its outputs lack.
LSTM: dict[str, Any] = {"network": LstmConfig, "units": 12, "weight_scale": 1.5, "logit_scale": 6.0}
LSTMS: dict[str, dict[str, Any]] = {
    "lstm": LSTM,
    "two layers": {**LSTM, "layers": 2},
    "anchors": {**LSTM, "anchors": True},
    "two layers, anchors": {**LSTM, "layers": 2, "anchors": True},
}
DECODERS: dict[str, dict[str, Any]] = {
    f"decoder, {heads} heads, {normalise}": {
        "network": DecoderConfig,
        "layers": 2,
        "heads": heads,
        "normalise": normalise,
    }
    for heads in (1, 3)
    for normalise in ("after", "before")
}
DECODER = "decoder, 3 heads, before"


def strong_learner(
    problems: tuple[Problem, ...],
    mode: Attention = "causal",
    heads: int = 1,
    seed: int = 3,
    network: Callable[..., NetworkConfig] = TransformerConfig,
    **changes: Any,
) -> Learner:
    """A network whose choices are far from uniform and whose every weight matters, so that errors show."""
    fields: dict[str, Any] = {"logit_scale": 4.0}
    if network is not LstmConfig:
        fields |= {"heads": heads, "position_scale": 1.0}
    if network is TransformerConfig:
        fields["attention"] = mode
    learner = new_learner(problems, TrainingConfig.paper(network=network(**{**fields, **changes})), seed)
    rng = np.random.default_rng(seed)

    def shaken(leaf: jax.Array) -> jax.Array:  # biases do not start at 0, nor all norms and gates alike
        return leaf + 0.2 * rng.standard_normal(leaf.shape, np.float32)

    policy = jax.tree.map(shaken, learner.state.policy)
    return dataclasses.replace(learner, state=dataclasses.replace(learner.state, policy=policy))


def one(learner: Learner) -> Any:
    """The network of the first replica."""
    return jax.tree.map(lambda leaf: leaf[0], learner.state.policy)


def every_trajectory(learner: Learner, row: int) -> list[Trajectory]:
    space = learner.encoding.problems[row].space
    return [learner.encoding.trajectory(row, config) for config in space.enumerate()]


def stacked(trajectories: list[Trajectory]) -> Trajectory:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trajectories)


per_step = jax.jit(step_log_probs)


@jax.jit
def scores(policy: Policy, tables: Any, trajectories: Trajectory) -> Any:
    return jax.vmap(log_prob, in_axes=(None, None, 0))(policy, tables, trajectories)


def loss(
    learner: Learner, policy: Any, sampled: Trajectory, advantage: float, queued: Trajectory, **weights: Any
) -> Any:
    batch = ReinforceBatch(sampled, jnp.float32(advantage), queued)
    return Reinforce(**weights).objective(policy, learner.tables, batch)
