"""The decoder: a causal Transformer that encodes the actions taken, not those to choose from.

The paper's network encodes a token for each candidate (`transformer.py`). Here one token stands for each decision: the
action taken before it, the task, the state to decide. Its last output is mapped, by a layer that belongs to the state,
to a vector in the space of embeddings; a candidate's logit is the product with its embedding, plus a number that each
action has. So a trajectory costs one token a step, however many actions there are to choose from.
Shapes: `steps`, `actions`, `width` as for any policy; `embedding` is a third of the width.
"""

import math
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..arrays import AnyArray
from ..spaces.tables import Decisions
from ..spaces.trajectory import Trajectory
from .architecture import Capacity, DecoderConfig
from .encoder import Encoder, Past, by_head, cached_past, draw_encoder, encode, encode_causal, encoder_shapes
from .policy import Policy, Slots, draw_embeddings, embedding_shapes, normal, visited

_LONG, _BLOCK = 64, 32
"""Trajectories of more steps change their past a block at a time: XLA copies at each step what a loop changes."""


class StepInputs(NamedTuple):
    """Decisions to make, one row each.

    Attributes:
        context: Shape `[rows, two_embeddings]`, the embeddings of the task and of the state.
        actions: Shape `[rows, actions, embedding]`, those of the candidates.
        weight: Shape `[rows, width, embedding]`, the layer that belongs to the state.
        bias: Shape `[rows, actions]`.
    """

    context: Float[Array, "rows two_embeddings"]
    actions: Float[Array, "rows actions embedding"]
    weight: Float[Array, "rows width embedding"]
    bias: Float[Array, "rows actions"]

    def logits(self, encoded: Float[Array, "rows width"]) -> Float[Array, "rows actions"]:
        """Maps the last output of each decision to the logits of its candidates."""
        wanted = jnp.einsum("rw,rwe->re", encoded, self.weight)
        return jnp.einsum("rae,re->ra", self.actions, wanted) + self.bias


class DecoderCache(NamedTuple):
    """What the steps so far left.

    Attributes:
        past: keys, Shape `[steps, heads, size]`, and values, Shape `[heads, size, steps]`, of every layer, of the
            blocks before this one: as they lie, they are multiplied. Empty where all steps are one block.
        block: Shape `[slots, steps_of_block, width]`, keys and values of every layer, of the steps of this block.
        last: Shape `[embedding]`, the embedding of the last action; zeros before the first.
    """

    past: tuple[Float[Array, "..."], ...]
    block: Float[Array, "slots steps_of_block width"]
    last: Float[Array, "embedding"]


class Decoder(Policy):
    """A policy whose cost does not depend on the number of actions to choose from."""

    position: Float[AnyArray, "*replicas steps width"]
    encoder: Encoder
    logit_weight: Float[AnyArray, "*replicas states width embedding"]
    action_bias: Float[AnyArray, "*replicas actions"]
    rows: ClassVar = {
        "state": "states",
        "action": "actions",
        "task": "tasks",
        "position": "steps",
        "logit_weight": "states",
        "action_bias": "actions",
    }

    @classmethod
    def draw(cls, rng: np.random.Generator, capacity: Capacity, architecture: DecoderConfig) -> "Decoder":
        """Draws a network."""
        a, width, size = architecture, architecture.width, architecture.embedding_size
        return cls(
            **draw_embeddings(rng, capacity, a),
            position=normal(rng, a.position_scale, capacity.steps, width),
            encoder=draw_encoder(rng, a),
            logit_weight=normal(rng, a.logit_scale * (width * size) ** -0.5, capacity.states, width, size),
            action_bias=np.zeros(capacity.actions, np.float32),
        )

    @classmethod
    def shapes(cls, capacity: Capacity, architecture: DecoderConfig) -> dict[str, tuple[int, ...]]:
        """Returns the shapes of all tensors of a network, by their path."""
        a, width, size = architecture, architecture.width, architecture.embedding_size
        return {
            **embedding_shapes(capacity, a),
            "position": (capacity.steps, width),
            **{f"encoder.{name}": shape for name, shape in encoder_shapes(a).items()},
            "logit_weight": (capacity.states, width, size),
            "action_bias": (capacity.actions,),
        }

    @property
    def steps(self) -> int:
        """The number of positions."""
        return self.position.shape[-2]

    def candidate_logits(
        self, decisions: Decisions, trajectory: Trajectory, slots: Slots
    ) -> Float[Array, "steps actions"]:
        """Scores every available action of every step in one pass over the actions taken."""
        here = self.candidates(visited(decisions, trajectory), trajectory.task)
        picked = jnp.take_along_axis(here.actions, trajectory.actions[:, None, None], axis=1)[:, 0]
        before = jnp.concatenate([jnp.zeros_like(picked[:1]), picked[:-1]])
        steps = before.shape[0]
        tokens = jnp.concatenate([before, here.context], -1) + self.position[:steps]
        return here.logits(encode(self.encoder, tokens, jnp.tril(jnp.ones((steps, steps), bool)))[0])

    def candidates(self, decisions: Decisions, task: Int[Array, ""]) -> StepInputs:
        """Returns embeddings and the layers of the states."""
        state = self.state[decisions.state]
        context = jnp.concatenate([jnp.broadcast_to(self.task[task], state.shape), state], -1)
        weight, bias = self.logit_weight[decisions.state], self.action_bias[decisions.actions]
        return StepInputs(context, self.action[decisions.actions], weight, bias)

    @classmethod
    def block(cls, steps: int) -> int:
        """After how many steps the cache is to be settled."""
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
        """Returns the cache after the action taken at a step."""
        written, actions = entries
        return DecoderCache(cache.past, cache.block.at[:, step % cache.block.shape[1]].set(written), actions[action])

    def settled(self, cache: DecoderCache, first: Int[Array, ""]) -> DecoderCache:
        """Returns the cache after a block of steps."""
        put, past = jax.lax.dynamic_update_slice_in_dim, []
        for slot, (kept, block) in enumerate(zip(cache.past, by_head(self.encoder, cache.block), strict=True)):
            past.append(put(kept, jnp.moveaxis(block, 0, -1), first, -1) if slot % 2 else put(kept, block, first, 0))
        return cache._replace(past=tuple(past))
