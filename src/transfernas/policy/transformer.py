"""The Transformer policy: embeddings, encoder, and one logit layer per state (paper, section 3, figure 2).

Functions here are about one network and one trajectory; the learner maps them over replicas and batches.
Shapes: `steps` is the padded length of a trajectory, `actions` the padded number of candidates of a step, `width` three
embeddings side by side, `layers` and `heads` those of the attention. See `docs/paper_map.md` for the paper's letters.
"""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ..arrays import AnyArray
from ..spaces.encoding import Decisions, Trajectory
from .architecture import Architecture, Attention, Capacity

Rows = Float[Array, "rows actions width"]
Slots = Int[AnyArray, "candidates"]
Past = tuple[Float[Array, "steps width"], Float[Array, "steps width"]]
PastFn = Callable[[int, Float[Array, "candidates width"], Float[Array, "candidates width"]], Past]
"""From a layer and the candidates' keys and values in it to those of the actions taken, one a step."""


class Encoder(eqx.Module):
    """The weights of every layer, stacked: attention, normalisation, feed-forward, normalisation."""

    query_key_value: Float[AnyArray, "*replicas layers width three_width"]
    attention_out: Float[AnyArray, "*replicas layers width width"]
    attention_norm: Float[AnyArray, "*replicas layers 2 width"]
    hidden: Float[AnyArray, "*replicas layers width feed_forward"]
    hidden_bias: Float[AnyArray, "*replicas layers feed_forward"]
    out: Float[AnyArray, "*replicas layers feed_forward width"]
    out_bias: Float[AnyArray, "*replicas layers width"]
    out_norm: Float[AnyArray, "*replicas layers 2 width"]


class Transformer(eqx.Module):
    """The parameters of the policy (the paper's theta); the learner's have an axis of replicas before the others."""

    state: Float[AnyArray, "*replicas states embedding"]
    action: Float[AnyArray, "*replicas actions embedding"]
    task: Float[AnyArray, "*replicas tasks embedding"]
    position: Float[AnyArray, "*replicas steps width"]
    encoder: Encoder
    logit_weight: Float[AnyArray, "*replicas states width"]
    logit_bias: Float[AnyArray, "*replicas states"]
    attention: Attention = eqx.field(static=True)
    heads: int = eqx.field(static=True)


def init_transformer(rng: np.random.Generator, capacity: Capacity, architecture: Architecture) -> Transformer:
    """Draws a network, as NumPy arrays: nothing is compiled for it."""
    a, width, n = architecture, architecture.width, architecture.layers

    def normal(scale: float, *shape: int) -> np.ndarray:
        return np.float32(scale) * rng.standard_normal(shape, np.float32)

    def weights(*shape: int, scale: float = a.weight_scale) -> np.ndarray:
        return normal(scale * shape[-2] ** -0.5, *shape)

    norm = np.stack([np.ones((n, width), np.float32), np.zeros((n, width), np.float32)], axis=1)
    return Transformer(
        state=normal(a.embedding_scale, capacity.states, a.embedding_size),
        action=normal(a.embedding_scale, capacity.actions, a.embedding_size),
        task=normal(a.embedding_scale, capacity.tasks, a.embedding_size),
        position=normal(a.position_scale, capacity.steps, width),
        encoder=Encoder(
            query_key_value=weights(n, width, 3 * width),
            attention_out=weights(n, width, width),
            attention_norm=norm,
            hidden=weights(n, width, a.feed_forward),
            hidden_bias=np.zeros((n, a.feed_forward), np.float32),
            out=weights(n, a.feed_forward, width),
            out_bias=np.zeros((n, width), np.float32),
            out_norm=norm,
        ),
        logit_weight=normal(a.logit_scale * width**-0.5, capacity.states, width),
        logit_bias=np.zeros(capacity.states, np.float32),
        attention=a.attention,
        heads=a.heads,
    )


def candidate_logits(
    policy: Transformer, decisions: Decisions, trajectory: Trajectory, slots: Slots
) -> Float[Array, "steps actions"]:
    """Scores every available action of every step of a trajectory, given the actions taken before it.

    Args:
        policy: the network.
        decisions: every decision that can occur.
        trajectory: what was decided.
        slots: room for all candidates of all steps, see `Tables`.

    Returns:
        Logits, Shape `[steps, actions]`; those of unavailable actions and padded steps mean nothing.
    """
    met, tokens = _met(policy, decisions, trajectory)
    if policy.attention == "causal":
        return _score_causal(policy, met, tokens, trajectory, slots)
    return met.logits(_score_bidirectional(policy, tokens, trajectory))


class Candidates(NamedTuple):
    """What the network needs to know of the actions to choose from, one row a decision.

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


def candidates(policy: Transformer, decisions: Decisions, task: Int[Array, ""]) -> Candidates:
    """Returns the candidates of decisions: a token is action, task and state embedding side by side.

    Args:
        policy: the network.
        decisions: the decisions, Shape `[rows]` and `[rows, actions]`.
        task: row of the task.
    """
    action = policy.action[decisions.actions]
    state = jnp.broadcast_to(policy.state[decisions.state][:, None], action.shape)
    tokens = jnp.concatenate([action, jnp.broadcast_to(policy.task[task], action.shape), state], -1)
    weight, bias = policy.logit_weight[decisions.state], policy.logit_bias[decisions.state]
    return Candidates(tokens, jnp.asarray(decisions.available), weight, bias)


def encode_causal(
    policy: Transformer,
    tokens: Float[Array, "candidates width"],
    past: PastFn,
    visible: Bool[Array, "candidates steps"],
) -> tuple[Float[Array, "candidates width"], list[Float[Array, "candidates width"]]]:
    """Encodes candidates that see the actions taken before them and themselves, but not one another.

    Args:
        policy: the network.
        tokens: Shape `[candidates, width]`.
        past: the keys and values of the actions taken, layer by layer.
        visible: Shape `[candidates, steps]`, which of the past each candidate may see.

    Returns:
        The outputs, and the keys and values of the candidates: two for each layer.
    """
    x, cached = tokens, []
    for layer in range(policy.encoder.hidden.shape[0]):
        query, key, value = jnp.split(x @ policy.encoder.query_key_value[layer], 3, axis=-1)
        past_key, past_value = past(layer, key, value)
        q, k, v = (_heads(policy, y) for y in (query, key, value))
        pk, pv = _heads(policy, past_key), _heads(policy, past_value)
        scale = q.shape[-1] ** -0.5
        to_past = jnp.where(visible[:, None], jnp.einsum("chd,shd->chs", q, pk) * scale, -jnp.inf)
        to_self = jnp.sum(q * k, -1, keepdims=True) * scale
        weights = jax.nn.softmax(jnp.concatenate([to_past, to_self], -1), -1)
        mixed = jnp.einsum("chs,shd->chd", weights[..., :-1], pv) + weights[..., -1:] * v
        x = _after_attention(policy.encoder, layer, x, mixed.reshape(x.shape))
        cached += [key, value]
    return x, cached


def encode_bidirectional(
    policy: Transformer, tokens: Float[Array, "steps width"], last: Int[Array, ""]
) -> Float[Array, "width"]:
    """Encodes a sequence in which every position sees every other, and returns the output at the last one.

    Args:
        policy: the network.
        tokens: Shape `[steps, width]`; those behind `last` are not seen.
        last: the position of the candidate.
    """
    x, _ = _encode_whole(policy, tokens, last)
    return x[last]


def attention_weights(
    policy: Transformer, decisions: Decisions, trajectory: Trajectory
) -> Float[Array, "layers heads steps steps"]:
    """Returns how each step's chosen action attends to the actions before it and to itself (paper, figure 4).

    Returns:
        Shape `[layers, heads, steps, steps]`: row m are the weights of step m over steps 0 to m, summing to 1. Step 0
        is S. Rows and columns from the trajectory's length on mean nothing.
    """
    _, tokens = _met(policy, decisions, trajectory)
    chosen = _chosen(tokens, trajectory)
    steps = chosen.shape[0]
    if policy.attention == "bidirectional":
        per_step = jax.vmap(lambda last: _encode_whole(policy, chosen, last)[1][:, :, last])(jnp.arange(steps))
        return jnp.moveaxis(per_step, 0, 2)
    x, weights = chosen, []
    for layer in range(policy.encoder.hidden.shape[0]):
        x, layer_weights = _full_layer(policy, layer, x, jnp.tril(jnp.ones((steps, steps), bool)))
        weights.append(layer_weights)
    return jnp.stack(weights)


def _met(policy: Transformer, decisions: Decisions, trajectory: Trajectory) -> tuple[Candidates, Rows]:
    """Returns the candidates of each step of a trajectory, and their tokens with the positional encoding."""
    rows: Decisions = jax.tree.map(lambda table: table[trajectory.decisions], decisions)
    met = candidates(policy, rows, trajectory.task)
    return met, met.tokens + policy.position[: met.tokens.shape[0], None]


def _chosen(tokens: Rows, trajectory: Trajectory) -> Float[Array, "steps width"]:
    return jnp.take_along_axis(tokens, trajectory.actions[:, None, None], axis=1)[:, 0]


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
    policy: Transformer, met: Candidates, tokens: Rows, trajectory: Trajectory, slots: Slots
) -> Float[Array, "steps actions"]:
    packing = _pack(met.available, trajectory.length, slots)
    packed = tokens[packing.step, packing.action]
    steps = jnp.arange(tokens.shape[0])
    # A product with ones and zeros: its gradient is cheaper than the scatter of an indexing.
    taken = jax.nn.one_hot(packing.place[steps, trajectory.actions], packed.shape[0])

    def past(_layer: int, key: Float[Array, "candidates width"], value: Float[Array, "candidates width"]) -> Past:
        return taken @ key, taken @ value

    encoded, _ = encode_causal(policy, packed, past, steps[None] < packing.step[:, None])
    logits = jnp.sum(encoded * met.weight[packing.step], -1) + met.bias[packing.step]
    return logits[packing.place]


def _score_bidirectional(policy: Transformer, tokens: Rows, trajectory: Trajectory) -> Rows:
    chosen = _chosen(tokens, trajectory)

    # Recomputed in the backward pass: the activations of every candidate's own encoding of the whole sequence would
    # take steps times the memory of the causal form.
    @jax.checkpoint
    def encode(step: Int[Array, ""], token: Float[Array, "width"]) -> Float[Array, "width"]:
        return encode_bidirectional(policy, chosen.at[step].set(token), step)

    over_actions = jax.vmap(encode, in_axes=(None, 0))
    return jax.lax.map(lambda row: over_actions(*row), (jnp.arange(tokens.shape[0]), tokens))


def _encode_whole(
    policy: Transformer, tokens: Float[Array, "steps width"], last: Int[Array, ""]
) -> tuple[Float[Array, "steps width"], Float[Array, "layers heads steps steps"]]:
    steps = tokens.shape[0]
    seen = jnp.broadcast_to(jnp.arange(steps) <= last, (steps, steps))
    x, weights = tokens, []
    for layer in range(policy.encoder.hidden.shape[0]):
        x, layer_weights = _full_layer(policy, layer, x, seen)
        weights.append(layer_weights)
    return x, jnp.stack(weights)


def _full_layer(
    policy: Transformer, layer: int, x: Float[Array, "steps width"], visible: Bool[Array, "steps steps"]
) -> tuple[Float[Array, "steps width"], Float[Array, "heads steps steps"]]:
    q, k, v = (_heads(policy, y) for y in jnp.split(x @ policy.encoder.query_key_value[layer], 3, axis=-1))
    scores = jnp.where(visible[None], jnp.einsum("qhd,khd->hqk", q, k) * q.shape[-1] ** -0.5, -jnp.inf)
    weights = jax.nn.softmax(scores, -1)
    mixed = jnp.einsum("hqk,khd->qhd", weights, v).reshape(x.shape)
    return _after_attention(policy.encoder, layer, x, mixed), weights


def _after_attention(
    encoder: Encoder, layer: int, x: Float[Array, "*rows width"], mixed: Float[Array, "*rows width"]
) -> Float[Array, "*rows width"]:
    x = _normalise(x + mixed @ encoder.attention_out[layer], encoder.attention_norm[layer])
    hidden = jax.nn.relu(x @ encoder.hidden[layer] + _like(encoder.hidden_bias[layer], x))
    out = hidden @ encoder.out[layer] + _like(encoder.out_bias[layer], x)
    return _normalise(x + out, encoder.out_norm[layer])


def _normalise(x: Float[Array, "*rows width"], norm: Float[Array, "2 width"]) -> Float[Array, "*rows width"]:
    centred = x - jnp.mean(x, -1, keepdims=True)
    scaled = centred * jax.lax.rsqrt(jnp.mean(jnp.square(centred), -1, keepdims=True) + 1e-5)
    return scaled * _like(norm[0], x) + _like(norm[1], x)


def _like(vector: Float[Array, "size"], x: Float[Array, "*rows width"]) -> Float[Array, "*ones size"]:
    return vector.reshape((1,) * (x.ndim - 1) + vector.shape)


def _heads(policy: Transformer, x: Float[Array, "*rows width"]) -> Float[Array, "*rows heads size"]:
    return x.reshape(*x.shape[:-1], policy.heads, -1)
