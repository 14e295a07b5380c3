"""The decoder: a causal Transformer that encodes the actions taken, not the candidates.

The paper's network encodes a token for each candidate (`transformer.py`). This network encodes a token for each
decision: the embeddings of the action taken before, of the task, and of the state to decide. A layer of the state maps
the last output to a vector in the space of embeddings. The logit of a candidate is the product of this vector with the
candidate's embedding, plus a bias of the action. So a step costs a single token for any number of candidates.
Shapes: `steps`, `actions` and `width` are those of every policy; `embedding` is a third of the width.
"""

import math
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ..arrays import AnyArray
from ..spaces.tables import Decisions
from ..spaces.trajectory import Trajectory
from .architecture import Capacity, DecoderConfig
from .encoder import Encoder, Past, build_encoder, by_head, cached_past, encode, encode_causal, encoder_tensors
from .policy import Initial, Policy, Slots, embeddings, visited

_LONG, _BLOCK = 64, 32
"""Longer trajectories update their past in blocks, because XLA copies the arrays that a loop changes at each step."""


class StepInputs(NamedTuple):
    """Decisions to make, with a row for each decision.

    Attributes:
        context: Shape `[rows, two_embeddings]`, the embeddings of the task and of the state.
        actions: Shape `[rows, actions, embedding]`, the embeddings of the candidates.
        weight: Shape `[rows, width, embedding]`, the layer of the state.
        bias: Shape `[rows, actions]`, the biases of the candidates.
    """

    context: Float[Array, "rows two_embeddings"]
    actions: Float[Array, "rows actions embedding"]
    weight: Float[Array, "rows width embedding"]
    bias: Float[Array, "rows actions"]

    def logits(self, encoded: Float[Array, "rows width"]) -> Float[Array, "rows actions"]:
        """Returns the logits of the candidates of each decision from its last output."""
        wanted = jnp.einsum("rw,rwe->re", encoded, self.weight)
        return jnp.einsum("rae,re->ra", self.actions, wanted) + self.bias


class DecoderCache(NamedTuple):
    """Cache of the decoder after the steps so far.

    Attributes:
        past: For every layer, the keys, Shape `[steps, heads, size]`, and the values, Shape `[heads, size, steps]`, of
            the earlier blocks, in the layout of their products. Empty if all steps are a single block.
        block: Shape `[slots, steps_of_block, width]`, the keys and values of every layer for the current block.
        last: Shape `[embedding]`, the embedding of the last action; zeros before the first action.
    """

    past: tuple[Float[Array, "..."], ...]
    block: Float[Array, "slots steps_of_block width"]
    last: Float[Array, "embedding"]


class Decoder(Policy):
    """The default policy, whose number of tokens does not depend on the number of candidates."""

    position: Float[AnyArray, "*replicas steps width"]
    encoder: Encoder
    logit_weight: Float[AnyArray, "*replicas states width embedding"]
    action_bias: Float[AnyArray, "*replicas actions"]
    rows: ClassVar = {**Policy.rows, "position": "steps", "logit_weight": "states", "action_bias": "actions"}
    token_action: ClassVar = "before"

    @classmethod
    def initial(cls, capacity: Capacity, architecture: DecoderConfig) -> dict[str, Initial]:
        """Returns the shapes and the initial values of all tensors of a network, by their paths."""
        a, width, size = architecture, architecture.width, architecture.embedding_size
        return {
            **embeddings(capacity, a),
            "position": Initial((capacity.steps, width), a.position_scale),
            **encoder_tensors(a),
            "logit_weight": Initial((capacity.states, width, size), a.logit_scale * (width * size) ** -0.5),
            "action_bias": Initial((capacity.actions,)),
        }

    @classmethod
    def build(cls, drawn: dict[str, Any], architecture: DecoderConfig) -> "Decoder":
        """Returns a network, see `Policy.build`."""
        encoder = build_encoder(drawn, architecture)
        return cls(**drawn, encoder=encoder)

    @property
    def steps(self) -> int:
        """Number of positions."""
        return self.position.shape[-2]

    def candidate_logits(
        self, decisions: Decisions, trajectory: Trajectory, slots: Slots
    ) -> Float[Array, "steps actions"]:
        """Scores every available action of every step in one pass over the actions taken."""
        here = self.candidates(visited(decisions, trajectory), trajectory.task)
        return here.logits(_encode_steps(self, here, trajectory)[0])

    def attention_weights(
        self, decisions: Decisions, trajectory: Trajectory
    ) -> Float[Array, "layers heads steps steps"]:
        """Returns the attention of each decision to its own token and to those of the earlier decisions."""
        here = self.candidates(visited(decisions, trajectory), trajectory.task)
        return _encode_steps(self, here, trajectory)[1]

    def candidates(self, decisions: Decisions, task: Int[Array, ""]) -> StepInputs:
        """Returns the embeddings and the layers of the states."""
        state = self.state[decisions.state]
        context = jnp.concatenate([jnp.broadcast_to(self.task[task], state.shape), state], -1)
        weight, bias = self.logit_weight[decisions.state], self.action_bias[decisions.actions]
        return StepInputs(context, self.action[decisions.actions], weight, bias)

    @classmethod
    def block(cls, steps: int) -> int:
        """Returns the number of steps after which to call `settled`."""
        return _BLOCK if steps > _LONG else steps

    def empty_cache(self, steps: int) -> DecoderCache:
        """Returns a cache of zeros."""
        layers, heads, width = self.encoder.layers, self.encoder.heads, self.position.shape[-1]
        length = self.block(steps)
        block, last = jnp.zeros((2 * layers, length, width)), jnp.zeros(self.action.shape[-1])
        if length == steps:
            return DecoderCache((), block, last)
        whole = length * math.ceil(steps / length)
        keys, values = jnp.zeros((whole, heads, width // heads)), jnp.zeros((heads, width // heads, whole))
        return DecoderCache((keys, values) * layers, block, last)

    def decode_step(
        self, decision: StepInputs, cache: DecoderCache, step: Int[Array, ""]
    ) -> tuple[Float[Array, "actions"], tuple[Float[Array, "slots width"], Float[Array, "actions embedding"]]]:
        """Scores the candidates of the next decision."""
        token = jnp.concatenate([cache.last, decision.context[0]]) + self.position[step]
        place = step % cache.block.shape[1]
        visible = [(jnp.arange(cache.block.shape[1]) < place)[None]]
        if cache.past:
            visible.append((jnp.arange(cache.past[0].shape[0]) < step - place)[None])

        def past(layer: int, key: Float[Array, "1 width"], value: Float[Array, "1 width"]) -> list[Past]:
            parts = [*cached_past(self.encoder, cache.block)(layer, key, value)]
            if cache.past:
                parts.append((cache.past[2 * layer], jnp.moveaxis(cache.past[2 * layer + 1], -1, 0)))
            return parts

        encoded, written = encode_causal(self.encoder, token[None], past, visible)
        return decision.logits(encoded)[0], (jnp.concatenate(written), decision.actions[0])

    def append(
        self,
        cache: DecoderCache,
        entries: tuple[Float[Array, "slots width"], Float[Array, "actions embedding"]],
        step: Int[Array, ""],
        action: Int[Array, ""],
    ) -> DecoderCache:
        """Returns the cache with the entries of the action taken at a step."""
        written, actions = entries
        return DecoderCache(cache.past, cache.block.at[:, step % cache.block.shape[1]].set(written), actions[action])

    def settled(self, cache: DecoderCache, first: Int[Array, ""]) -> DecoderCache:
        """Returns the cache with the block moved to the past."""
        put, past = jax.lax.dynamic_update_slice_in_dim, []
        for slot, (kept, block) in enumerate(zip(cache.past, by_head(self.encoder, cache.block), strict=True)):
            past.append(put(kept, jnp.moveaxis(block, 0, -1), first, -1) if slot % 2 else put(kept, block, first, 0))
        return cache._replace(past=tuple(past))


def _encode_steps(
    policy: Decoder, here: StepInputs, trajectory: Trajectory
) -> tuple[Float[Array, "steps width"], Float[Array, "layers heads steps steps"]]:
    """Returns the last output of each step, and the attention weights."""
    picked = jnp.take_along_axis(here.actions, trajectory.actions[:, None, None], axis=1)[:, 0]
    before = jnp.concatenate([jnp.zeros_like(picked[:1]), picked[:-1]])
    steps = before.shape[0]
    tokens = jnp.concatenate([before, here.context], -1) + policy.position[:steps]
    return encode(policy.encoder, tokens, jnp.tril(jnp.ones((steps, steps), bool)))
