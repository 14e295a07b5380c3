"""The attention of a policy between the decisions of a configuration.

Shapes: `layers` and `heads` are those of the network, `steps` is the padded number of decisions, S among them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from ..learning.learner import Learner
from ..policy.policy import Policy, inherited
from ..processes.runtime import run
from ..spaces.condition import Action, Config
from ..spaces.tables import Tables
from ..spaces.trajectory import Trajectory

START = "start"
"""The first token of a network whose tokens hold the action before: no action came before it."""


@dataclass(frozen=True, slots=True)
class DecisionAttention:
    """The attention between the decisions of a configuration.

    Attributes:
        config: The configuration, in the order of its decisions.
        decisions: The names of the choices, in this order.
        tokens: For each token, the choice that it brings, as in "filters=32". Before those of the configuration come
            "start", if the network has such a token, and the space. If it has, the token that a decision adds brings
            the choice before; otherwise the token brings the choice of this decision.
        weights: For each layer, each head and each decision, the weights of the tokens. They sum to 1, and later tokens
            have the weight 0.

    Example:
        ```python
        attention = agent.beliefs(attention=agent.best().config).attention
        for decision, row in zip(attention.decisions, attention.weights[0][0]):
            print(decision, dict(zip(attention.tokens, row)))
        ```
    """

    config: dict[str, Action]
    decisions: tuple[str, ...]
    tokens: tuple[str, ...]
    weights: tuple[tuple[tuple[tuple[float, ...], ...], ...], ...]


def attention_in(learner: Learner, row: int, which: int, config: Config) -> DecisionAttention:
    """Returns the attention of one of a learner's policies between the decisions of a configuration.

    Args:
        learner: A learner of a single replica; it stays as it is.
        row: The row of the problem.
        which: The row of the policy.
        config: A configuration of the problem. Conditions are ignored if the space was discovered.

    Raises:
        ValueError: The network has no layers of attention, or the configuration does not fit the problem.
    """
    policy, problem = learner.state.policy, learner.encoding.problems[row]
    if not has_attention(learner):
        raise ValueError(
            f"the agent's network is of the kind {learner.config.network.kind!r}, which has no layers of attention; "
            "leave out attention, or search with a network that has them, as in TrainingConfig(network=DecoderConfig())"
        )
    config = _checked(learner, row, config)
    trajectory = learner.encoding.sequence(row, config)
    found = np.asarray(run(attend, policy, np.int32(which), learner.tables, trajectory))
    first = (START,) if policy.token_action != "taken" else ()
    tokens = _tokens((*first, f"space={problem.space.name}"), config)
    weights = found[:, :, 1 : 1 + len(config), : 1 + len(config)]
    nested = tuple(tuple(tuple(map(tuple, head)) for head in layer) for layer in weights.tolist())
    return DecisionAttention(config, tuple(config), tokens, nested)


def has_attention(learner: Learner) -> bool:
    """Returns whether the network of a learner has layers of attention."""
    return learner.state.policy.token_action is not None


def with_values(attention: DecisionAttention, values: Mapping[str, object]) -> DecisionAttention:
    """Returns the attention with other values in the tokens, such as the numbers for which the actions stand.

    Example:
        ```python
        best = agent.best().config
        attention = with_values(agent.beliefs(attention=best).attention, dict.fromkeys(best, "?"))
        print(attention.tokens)
        ```
    """
    first = attention.tokens[: 2 if attention.tokens[0] == START else 1]
    return replace(attention, tokens=_tokens(first, {name: values[name] for name in attention.decisions}))


@jax.jit
def attend(
    policy: Policy, which: Int[Array, ""], tables: Tables, trajectory: Trajectory
) -> Float[Array, "layers heads steps steps"]:
    """Returns the attention weights of one of several networks, see `Policy.attention_weights`."""
    one = jax.tree.map(lambda leaf: leaf[which], policy)
    return inherited(one, tables.lineage).attention_weights(tables.decisions, trajectory)


def _checked(learner: Learner, row: int, config: Config) -> dict[str, Action]:
    """Returns a configuration in the order of its decisions."""
    encoding, space = learner.encoding, learner.encoding.problems[row].space
    if not encoding.grows:
        return encoding.ordered(row, config)
    known = {choice.name: choice for choice in space.choices}
    for name, action in config.items():
        if name not in known:
            raise ValueError(f"space {space.name!r} has no choice {name!r}; it has {', '.join(known)}")
        known[name].index(action)
    if not config:
        raise ValueError("the configuration is empty; give one with a choice, as in agent.best().config")
    return dict(config)


def _tokens(first: tuple[str, ...], config: Mapping[str, object]) -> tuple[str, ...]:
    """Returns the tokens of a configuration, of which there are as many as decisions behind START, or one more."""
    shown = (f"{name}={value:.2g}" if type(value) is float else f"{name}={value}" for name, value in config.items())
    tokens = (*first, *shown)
    return tokens[:-1] if first[0] == START else tokens
