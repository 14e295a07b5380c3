"""The LSTM policy: the paper's baseline, after Zoph and Le 2017 (paper, sections 3 and 4.1).

The token of the last action is the input, and the hidden state holds the history. Each state has an output layer with a
row for each action. Rows are found by name, so they transfer like embeddings.
Shapes: `units` is the width of the LSTM, `gates` four times as many, `layers` the number of layers. The others are
those of every policy.
"""

from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ..arrays import AnyArray
from ..spaces.tables import Decisions
from ..spaces.trajectory import Trajectory
from .architecture import Capacity, LstmConfig
from .policy import Initial, Policy, Rows, Slots, chosen, embeddings, take_part, tokens, visited, weights

Steps = Float[Array, "steps units"]


class Anchors(eqx.Module):
    """Attention to past outputs, by a network with one hidden layer (Zoph and Le 2017, section 3.3)."""

    past: Float[AnyArray, "*replicas units units"]
    now: Float[AnyArray, "*replicas units units"]
    score: Float[AnyArray, "*replicas units"]


class OpenGates(NamedTuple):
    """State of the LSTM: the outputs and the cells of the layers."""

    output: Float[Array, "layers units"]
    cell: Float[Array, "layers units"]


class LstmState(NamedTuple):
    """Cache of the LSTM: the state after the steps so far, and the outputs of the last layer at each step."""

    gates: OpenGates
    past: Steps


class Readout(NamedTuple):
    """Candidates of decisions: the tokens, and the rows of the states' output layers."""

    tokens: Rows
    weight: Float[Array, "rows actions units"]
    bias: Float[Array, "rows actions"]


class Lstm(Policy):
    """The LSTM of the paper's baseline."""

    input_weight: Float[AnyArray, "*replicas width gates"]
    between: Float[AnyArray, "*replicas layers_but_one units gates"]
    recurrent: Float[AnyArray, "*replicas layers units gates"]
    gate_bias: Float[AnyArray, "*replicas layers gates"]
    anchors: Anchors | None
    logit_weight: Float[AnyArray, "*replicas actions units"]
    logit_bias: Float[AnyArray, "*replicas actions"]
    rows: ClassVar = {**Policy.rows, "logit_weight": "actions", "logit_bias": "actions"}

    @classmethod
    def initial(cls, capacity: Capacity, architecture: LstmConfig) -> dict[str, Initial]:
        """Returns the shapes and the initial values of all tensors of a network, by their paths."""
        a, scale, units, gates = architecture, architecture.weight_scale, architecture.units, 4 * architecture.units
        anchors = {
            "anchors.past": weights(scale, units, units),
            "anchors.now": weights(scale, units, units),
            "anchors.score": Initial((units,), scale * units**-0.5),
        }
        return {
            **embeddings(capacity, a),
            "input_weight": weights(scale, a.width, gates),
            "between": weights(scale, a.layers - 1, units, gates),
            "recurrent": weights(scale, a.layers, units, gates),
            "gate_bias": Initial((a.layers, gates)),
            **(anchors if a.anchors else {}),
            "logit_weight": Initial((capacity.actions, units), a.logit_scale * units**-0.5),
            "logit_bias": Initial((capacity.actions,)),
        }

    @classmethod
    def build(cls, drawn: dict[str, Any], architecture: LstmConfig) -> "Lstm":
        """Returns a network, see `Policy.build`."""
        units, anchors = architecture.units, take_part(drawn, "anchors")
        drawn["gate_bias"][:, units : 2 * units] = 1.0  # the forget gate starts open, so a new network remembers
        return cls(**drawn, anchors=Anchors(**anchors) if anchors else None)

    def candidate_logits(
        self, decisions: Decisions, trajectory: Trajectory, slots: Slots
    ) -> Float[Array, "steps actions"]:
        """Scores every available action of every step in one pass over the actions taken."""
        here = self.candidates(visited(decisions, trajectory), trajectory.task)
        path = chosen(here.tokens, trajectory)

        def advance(gates: OpenGates, token: Float[Array, "width"]) -> tuple[OpenGates, Float[Array, "units"]]:
            gates = _advance(self, gates, token)
            return gates, gates.output[-1]

        steps = path.shape[0]
        _, past = jax.lax.scan(advance, self.empty_cache(steps).gates, path)
        spoken = jax.vmap(_speak, in_axes=(None, None, 0))(self, past, jnp.arange(steps))
        return jnp.einsum("sau,su->sa", here.weight, spoken) + here.bias

    def candidates(self, decisions: Decisions, task: Int[Array, ""]) -> Readout:
        """Returns the tokens and the rows of the states' output layers."""
        weight, bias = self.logit_weight[decisions.actions], self.logit_bias[decisions.actions]
        return Readout(tokens(self, decisions, task), weight, bias)

    def empty_cache(self, steps: int) -> LstmState:
        """Returns a state of zeros."""
        layers, units, _ = self.recurrent.shape
        return LstmState(OpenGates(jnp.zeros((layers, units)), jnp.zeros((layers, units))), jnp.zeros((steps, units)))

    def decode_step(
        self, decision: Readout, cache: LstmState, step: Int[Array, ""]
    ) -> tuple[Float[Array, "actions"], Float[Array, "actions width"]]:
        """Scores the candidates of the next decision."""
        return decision.weight[0] @ _speak(self, cache.past, step) + decision.bias[0], decision.tokens[0]

    def append(
        self, cache: LstmState, entries: Float[Array, "actions width"], step: Int[Array, ""], action: Int[Array, ""]
    ) -> LstmState:
        """Returns the state after the token of the action taken."""
        gates = _advance(self, cache.gates, entries[action])
        return LstmState(gates, cache.past.at[step].set(gates.output[-1]))


def _advance(policy: Lstm, gates: OpenGates, token: Float[Array, "width"]) -> OpenGates:
    outputs: list[Array] = []
    cells: list[Array] = []
    for layer in range(policy.recurrent.shape[0]):
        inside = token @ policy.input_weight if layer == 0 else outputs[-1] @ policy.between[layer - 1]
        sums = inside + gates.output[layer] @ policy.recurrent[layer] + policy.gate_bias[layer]
        take, keep, show, new = jnp.split(sums, 4)
        cells.append(jax.nn.sigmoid(keep) * gates.cell[layer] + jax.nn.sigmoid(take) * jnp.tanh(new))
        outputs.append(jax.nn.sigmoid(show) * jnp.tanh(cells[-1]))
    return OpenGates(jnp.stack(outputs), jnp.stack(cells))


def _speak(policy: Lstm, past: Steps, step: Int[Array, ""]) -> Float[Array, "units"]:
    """Returns the input of the output layers: the last output, plus an attention-weighted mean of all with anchors."""
    last = jnp.where(step > 0, past[step - 1], 0.0)
    if policy.anchors is None:
        return last
    hidden = jnp.tanh(past @ policy.anchors.past + (last @ policy.anchors.now)[None])
    seen = jnp.arange(past.shape[0]) < jnp.maximum(step, 1)
    share = jax.nn.softmax(jnp.where(seen, hidden @ policy.anchors.score, -jnp.inf))
    return last + share @ past
