"""The Transformer policy: embeddings, encoder, and a logit layer for each state (paper, section 3, figure 2).

Shapes: `steps` is the padded length of a trajectory, `actions` the padded number of candidates of a decision, `width`
the size of three embeddings. See `docs/explanation/paper-to-code.md` for the paper's letters.
"""

from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ..arrays import AnyArray
from ..spaces.tables import Decisions
from ..spaces.trajectory import Trajectory
from .architecture import Attention, Capacity, TransformerConfig
from .encoder import (
    Encoder,
    Past,
    build_encoder,
    by_head,
    cached_past,
    encode,
    encode_bidirectional,
    encode_causal,
    encoder_tensors,
)
from .policy import Initial, Policy, Rows, Slots, chosen, embeddings, tokens, visited

Cached = Float[Array, "slots steps width"]
"""Keys and values of every layer (causal attention), or tokens (bidirectional attention, which encodes anew)."""


class CandidateTokens(NamedTuple):
    """Candidates of decisions, with a row for each decision.

    Attributes:
        tokens: Shape `[rows, actions, width]`, without the positional encoding.
        available: Shape `[rows, actions]`, False where padded.
        weight: Shape `[rows, width]`, the logit layer of the decision's state.
        bias: Shape `[rows]`, the bias of this layer.
    """

    tokens: Rows
    available: Bool[Array, "rows actions"]
    weight: Float[Array, "rows width"]
    bias: Float[Array, "rows"]

    def logits(self, encoded: Rows) -> Float[Array, "rows actions"]:
        """Returns the logit of each candidate from its last output, by the logit layer of the state."""
        return jnp.einsum("raw,rw->ra", encoded, self.weight) + self.bias[:, None]


class Transformer(Policy):
    """The paper's policy, with causal or bidirectional attention."""

    position: Float[AnyArray, "*replicas steps width"]
    encoder: Encoder
    logit_weight: Float[AnyArray, "*replicas states width"]
    logit_bias: Float[AnyArray, "*replicas states"]
    attention: Attention = eqx.field(static=True)
    rows: ClassVar = {**Policy.rows, "position": "steps", "logit_weight": "states", "logit_bias": "states"}
    token_action: ClassVar = "taken"

    @classmethod
    def initial(cls, capacity: Capacity, architecture: TransformerConfig) -> dict[str, Initial]:
        """Returns the shapes and the initial values of all tensors of a network, by their paths."""
        a, width = architecture, architecture.width
        return {
            **embeddings(capacity, a),
            "position": Initial((capacity.steps, width), a.position_scale),
            **encoder_tensors(a),
            "logit_weight": Initial((capacity.states, width), a.logit_scale * width**-0.5),
            "logit_bias": Initial((capacity.states,)),
        }

    @classmethod
    def build(cls, drawn: dict[str, Any], architecture: TransformerConfig) -> "Transformer":
        """Returns a network, see `Policy.build`."""
        encoder = build_encoder(drawn, architecture)
        return cls(**drawn, encoder=encoder, attention=architecture.attention)

    @property
    def steps(self) -> int:
        """Number of positions."""
        return self.position.shape[-2]

    def candidate_logits(
        self, decisions: Decisions, trajectory: Trajectory, slots: Slots
    ) -> Float[Array, "steps actions"]:
        """Scores every available action of every step, in one pass (causal) or in one pass for each candidate."""
        here = self.candidates(visited(decisions, trajectory), trajectory.task)
        placed = here.tokens + self.position[: here.tokens.shape[0], None]
        if self.attention == "causal":
            return _score_causal(self, here, placed, trajectory, slots)
        return here.logits(_score_bidirectional(self, placed, trajectory))

    def candidates(self, decisions: Decisions, task: Int[Array, ""]) -> CandidateTokens:
        """Returns the tokens and the logit layers of the states."""
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
        self, decisions: Decisions, trajectory: Trajectory
    ) -> Float[Array, "layers heads steps steps"]:
        """Returns the attention of the action taken at each step to this and the earlier actions (paper, figure 4)."""
        placed = tokens(self, visited(decisions, trajectory), trajectory.task)
        path = chosen(placed, trajectory) + self.position[: placed.shape[0]]
        steps = path.shape[0]
        if self.attention == "causal":
            return encode(self.encoder, path, jnp.tril(jnp.ones((steps, steps), bool)))[1]
        rows = jax.vmap(lambda last: encode_bidirectional(self.encoder, path, last)[1][:, :, last])(jnp.arange(steps))
        return jnp.moveaxis(rows, 0, 2)


class _Packing(NamedTuple):
    """Positions of the candidates of all steps in a single row without padding.

    With padding, a step of two candidates would cost as much as the step with the most candidates.

    Attributes:
        step: Shape `[candidates]`, the step of each candidate.
        action: Shape `[candidates]`, the position of each candidate among the actions of its step.
        place: Shape `[steps, actions]`, the position of each candidate in the row.
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
    # A product with ones and zeros, because its gradient is cheaper than the scatter of an indexing.
    picked = jax.nn.one_hot(packing.place[steps, trajectory.actions], packed.shape[0])

    def past(_layer: int, key: Float[Array, "candidates width"], value: Float[Array, "candidates width"]) -> list[Past]:
        return [(by_head(policy.encoder, picked @ key), by_head(policy.encoder, picked @ value))]

    encoded, _ = encode_causal(policy.encoder, packed, past, [steps[None] < packing.step[:, None]])
    logits = jnp.sum(encoded * here.weight[packing.step], -1) + here.bias[packing.step]
    return logits[packing.place]


def _score_bidirectional(policy: Transformer, placed: Rows, trajectory: Trajectory) -> Rows:
    path = chosen(placed, trajectory)

    # Recomputed in the backward pass: the activations of the encodings of all candidates would take `steps` times the
    # memory of the causal form.
    @jax.checkpoint
    def score(step: Int[Array, ""], token: Float[Array, "width"]) -> Float[Array, "width"]:
        return _encode_last(policy, path.at[step].set(token), step)

    over_actions = jax.vmap(score, in_axes=(None, 0))
    return jax.lax.map(lambda row: over_actions(*row), (jnp.arange(placed.shape[0]), placed))


def _encode_last(policy: Transformer, path: Float[Array, "steps width"], last: Int[Array, ""]) -> Float[Array, "width"]:
    return encode_bidirectional(policy.encoder, path, last)[0][last]
