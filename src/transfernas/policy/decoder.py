"""The decoder: a causal Transformer that encodes the actions taken, not those to choose from.

The paper's network encodes a token for each candidate (`transformer.py`). Here one token stands for each decision: the
action taken before it, the task, the state to decide. Its last output is mapped, by a layer that belongs to the state,
to a vector in the space of embeddings; a candidate's logit is the product with its embedding, plus a number that each
action has. So a trajectory costs one token a step, however many actions there are to choose from.
Shapes: `steps`, `actions`, `width` as for any policy; `embedding` is a third of the width.
"""

from typing import ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..arrays import AnyArray
from ..spaces.encoding import Decisions, Trajectory
from .architecture import Architecture, Capacity
from .encoder import Encoder, cached_past, draw_encoder, encode, encode_causal, encoder_shapes
from .policy import Policy, Slots, draw_embeddings, embedding_shapes, normal, visited


class Asked(NamedTuple):
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


class Written(NamedTuple):
    """What the steps so far left.

    Attributes:
        past: Shape `[slots, steps, width]`, keys and values of every layer.
        last: Shape `[embedding]`, the embedding of the last action; zeros before the first.
    """

    past: Float[Array, "slots steps width"]
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
    def draw(cls, rng: np.random.Generator, capacity: Capacity, architecture: Architecture) -> "Decoder":
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
    def shapes(cls, capacity: Capacity, architecture: Architecture) -> dict[str, tuple[int, ...]]:
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
        taken = jnp.take_along_axis(here.actions, trajectory.actions[:, None, None], axis=1)[:, 0]
        before = jnp.concatenate([jnp.zeros_like(taken[:1]), taken[:-1]])
        steps = before.shape[0]
        tokens = jnp.concatenate([before, here.context], -1) + self.position[:steps]
        return here.logits(encode(self.encoder, tokens, jnp.tril(jnp.ones((steps, steps), bool)))[0])

    def candidates(self, decisions: Decisions, task: Int[Array, ""]) -> Asked:
        """Returns embeddings and the layers of the states."""
        state = self.state[decisions.state]
        context = jnp.concatenate([jnp.broadcast_to(self.task[task], state.shape), state], -1)
        weight, bias = self.logit_weight[decisions.state], self.action_bias[decisions.actions]
        return Asked(context, self.action[decisions.actions], weight, bias)

    def empty_cache(self, steps: int) -> Written:
        """Returns a cache of zeros."""
        past = jnp.zeros((2 * self.encoder.layers, steps, self.position.shape[-1]))
        return Written(past, jnp.zeros(self.action.shape[-1]))

    def decode_step(
        self, decision: Asked, cache: Written, step: Int[Array, ""]
    ) -> tuple[Float[Array, "actions"], tuple[Float[Array, "slots width"], Float[Array, "actions embedding"]]]:
        """Scores the candidates of the next decision."""
        token = jnp.concatenate([cache.last, decision.context[0]]) + self.position[step]
        visible = (jnp.arange(cache.past.shape[1]) < step)[None]
        encoded, written = encode_causal(self.encoder, token[None], cached_past(cache.past), visible)
        return decision.logits(encoded)[0], (jnp.concatenate(written), decision.actions[0])

    def append(
        self,
        cache: Written,
        entries: tuple[Float[Array, "slots width"], Float[Array, "actions embedding"]],
        step: Int[Array, ""],
        action: Int[Array, ""],
    ) -> Written:
        """Returns the cache after the action taken at a step."""
        written, actions = entries
        return Written(cache.past.at[:, step].set(written), actions[action])
