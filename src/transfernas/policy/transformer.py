"""The Transformer policy: embeddings, encoder, and one logit layer per state (paper, section 3, figure 2).

Shapes: `steps` is the padded length of a trajectory, `actions` the padded number of candidates of a decision, `width`
three embeddings side by side. See `docs/explanation/paper-to-code.md` for the paper's letters.
"""

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ..arrays import AnyArray
from ..spaces.tables import Decisions
from ..spaces.trajectory import Trajectory
from .architecture import Attention, Capacity, TransformerConfig
from .encoder import (
    Encoder,
    Past,
    by_head,
    cached_past,
    draw_encoder,
    encode,
    encode_bidirectional,
    encode_causal,
    encoder_shapes,
)
from .policy import Policy, Rows, Slots, chosen, draw_embeddings, embedding_shapes, normal, tokens, visited

Cached = Float[Array, "slots steps width"]
"""The keys and values of every layer (causal attention) or the tokens (bidirectional, which encodes the past anew)."""


class CandidateTokens(NamedTuple):
    """The candidates of decisions, one row each.

    Attributes:
        tokens: Shape `[rows, actions, width]`, without the positional encoding.
        available: Shape `[rows, actions]`, False where padded.
        weight: Shape `[rows, width]`, the logit layer of the decision's state.
        bias: Shape `[rows]`.
    """

    tokens: Rows
    available: Bool[Array, "rows actions"]
    weight: Float[Array, "rows width"]
    bias: Float[Array, "rows"]

    def logits(self, encoded: Rows) -> Float[Array, "rows actions"]:
        """Maps each candidate's last output to its logit, by the layer that belongs to the state."""
        return jnp.einsum("raw,rw->ra", encoded, self.weight) + self.bias[:, None]


class Transformer(Policy):
    """The paper's policy."""

    position: Float[AnyArray, "*replicas steps width"]
    encoder: Encoder
    logit_weight: Float[AnyArray, "*replicas states width"]
    logit_bias: Float[AnyArray, "*replicas states"]
    attention: Attention = eqx.field(static=True)
    rows: ClassVar = {
        "state": "states",
        "action": "actions",
        "task": "tasks",
        "position": "steps",
        "logit_weight": "states",
        "logit_bias": "states",
    }

    @classmethod
    def draw(cls, rng: np.random.Generator, capacity: Capacity, architecture: TransformerConfig) -> "Transformer":
        """Draws a network."""
        a, width = architecture, architecture.width
        return cls(
            **draw_embeddings(rng, capacity, a),
            position=normal(rng, a.position_scale, capacity.steps, width),
            encoder=draw_encoder(rng, a),
            logit_weight=normal(rng, a.logit_scale * width**-0.5, capacity.states, width),
            logit_bias=np.zeros(capacity.states, np.float32),
            attention=a.attention,
        )

    @classmethod
    def shapes(cls, capacity: Capacity, architecture: TransformerConfig) -> dict[str, tuple[int, ...]]:
        """Returns the shapes of all tensors of a network, by their path."""
        a, width = architecture, architecture.width
        return {
            **embedding_shapes(capacity, a),
            "position": (capacity.steps, width),
            **{f"encoder.{name}": shape for name, shape in encoder_shapes(a).items()},
            "logit_weight": (capacity.states, width),
            "logit_bias": (capacity.states,),
        }

    @property
    def steps(self) -> int:
        """The number of positions."""
        return self.position.shape[-2]

    def candidate_logits(
        self, decisions: Decisions, trajectory: Trajectory, slots: Slots
    ) -> Float[Array, "steps actions"]:
        """Scores every available action of every step: one pass (causal), or one for each candidate."""
        here = self.candidates(visited(decisions, trajectory), trajectory.task)
        placed = here.tokens + self.position[: here.tokens.shape[0], None]
        if self.attention == "causal":
            return _score_causal(self, here, placed, trajectory, slots)
        return here.logits(_score_bidirectional(self, placed, trajectory))

    def candidates(self, decisions: Decisions, task: Int[Array, ""]) -> CandidateTokens:
        """Returns tokens and the logit layers of the states."""
        weight, bias = self.logit_weight[decisions.state], self.logit_bias[decisions.state]
        return CandidateTokens(tokens(self, decisions, task), jnp.asarray(decisions.available), weight, bias)

    def empty_cache(self, steps: int) -> Cached:
        """Returns a cache of zeros."""
        slots = 2 * self.encoder.layers if self.attention == "causal" else 1
        return jnp.zeros((slots, steps, self.position.shape[-1]))

    def decode_step(
        self, decision: CandidateTokens, cache: Cached, step: Int[Array, ""]
    ) -> tuple[Float[Array, "actions"], Float[Array, "slots actions width"]]:
        """Scores the candidates of the next decision."""
        placed = decision.tokens[0] + self.position[step][None]
        if self.attention == "causal":
            visible = jnp.broadcast_to(jnp.arange(cache.shape[1]) < step, (placed.shape[0], cache.shape[1]))
            encoded, cached = encode_causal(self.encoder, placed, cached_past(self.encoder, cache), [visible])
            entries = jnp.stack(cached)
        else:
            encoded = jax.vmap(lambda token: _encode_last(self, cache[0].at[step].set(token), step))(placed)
            entries = placed[None]
        return decision.logits(encoded[None])[0], entries

    def append(
        self, cache: Cached, entries: Float[Array, "slots actions width"], step: Int[Array, ""], action: Int[Array, ""]
    ) -> Cached:
        """Returns the cache with the entries of the action taken."""
        entry = jax.lax.dynamic_index_in_dim(entries, action, axis=1)
        return jax.lax.dynamic_update_slice_in_dim(cache, entry, step, axis=1)


def attention_weights(
    policy: Transformer, decisions: Decisions, trajectory: Trajectory
) -> Float[Array, "layers heads steps steps"]:
    """Returns how each step's chosen action attends to the actions before it and to itself (paper, figure 4).

    Returns:
        Shape `[layers, heads, steps, steps]`: row m are the weights of step m over steps 0 to m, summing to 1. Step 0
        is S. Rows and columns from the trajectory's length on mean nothing.
    """
    placed = tokens(policy, visited(decisions, trajectory), trajectory.task)
    path = chosen(placed, trajectory) + policy.position[: placed.shape[0]]
    steps = path.shape[0]
    if policy.attention == "causal":
        return encode(policy.encoder, path, jnp.tril(jnp.ones((steps, steps), bool)))[1]
    rows = jax.vmap(lambda last: encode_bidirectional(policy.encoder, path, last)[1][:, :, last])(jnp.arange(steps))
    return jnp.moveaxis(rows, 0, 2)


class _Packing(NamedTuple):
    """Where the candidates of all steps lie when they stand in one row, without the gaps that padding leaves.

    A step with two candidates beside one with eight would otherwise cost as much as eight.

    Attributes:
        step: Shape `[candidates]`, the step that each belongs to.
        action: Shape `[candidates]`, its position among the actions of the step.
        place: Shape `[steps, actions]`, where each candidate lies.
    """

    step: Int[Array, "candidates"]
    action: Int[Array, "candidates"]
    place: Int[Array, "steps actions"]


def _pack(available: Bool[Array, "steps actions"], length: Int[Array, ""], slots: Slots) -> _Packing:
    n_steps, n_actions = available.shape
    counts = jnp.where(jnp.arange(n_steps) < length, jnp.sum(available, -1), 0)
    ends = jnp.cumsum(counts)
    starts = ends - counts
    step = jnp.minimum(jnp.sum(slots[:, None] >= ends[None], -1), n_steps - 1)
    action = jnp.clip(slots - starts[step], 0, n_actions - 1)
    place = jnp.minimum(starts[:, None] + jnp.arange(n_actions)[None], slots.shape[0] - 1)
    return _Packing(step, action, place)


def _score_causal(
    policy: Transformer, here: CandidateTokens, placed: Rows, trajectory: Trajectory, slots: Slots
) -> Float[Array, "steps actions"]:
    packing = _pack(here.available, trajectory.length, slots)
    packed = placed[packing.step, packing.action]
    steps = jnp.arange(placed.shape[0])
    # A product with ones and zeros: its gradient is cheaper than the scatter of an indexing.
    picked = jax.nn.one_hot(packing.place[steps, trajectory.actions], packed.shape[0])

    def past(_layer: int, key: Float[Array, "candidates width"], value: Float[Array, "candidates width"]) -> list[Past]:
        return [(by_head(policy.encoder, picked @ key), by_head(policy.encoder, picked @ value))]

    encoded, _ = encode_causal(policy.encoder, packed, past, [steps[None] < packing.step[:, None]])
    logits = jnp.sum(encoded * here.weight[packing.step], -1) + here.bias[packing.step]
    return logits[packing.place]


def _score_bidirectional(policy: Transformer, placed: Rows, trajectory: Trajectory) -> Rows:
    path = chosen(placed, trajectory)

    # Recomputed in the backward pass: the activations of every candidate's own encoding of the whole sequence would
    # take steps times the memory of the causal form.
    @jax.checkpoint
    def score(step: Int[Array, ""], token: Float[Array, "width"]) -> Float[Array, "width"]:
        return _encode_last(policy, path.at[step].set(token), step)

    over_actions = jax.vmap(score, in_axes=(None, 0))
    return jax.lax.map(lambda row: over_actions(*row), (jnp.arange(placed.shape[0]), placed))


def _encode_last(policy: Transformer, path: Float[Array, "steps width"], last: Int[Array, ""]) -> Float[Array, "width"]:
    return encode_bidirectional(policy.encoder, path, last)[0][last]
