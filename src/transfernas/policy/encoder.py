"""The encoder of the Transformer, with causal and with bidirectional attention (paper, figure 2b).

Shapes: `steps` is the length of a sequence, `candidates` the number of tokens scored at once, `width` the size of a
token, `layers` and `heads` those of the attention, `size` the width of a head.
"""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ..arrays import AnyArray
from .architecture import Attentive, Normalise
from .policy import Initial, take_part, weights

Past = tuple[Float[Array, "steps heads size"], Float[Array, "steps heads size"]]
PastFn = Callable[[int, Float[Array, "candidates width"], Float[Array, "candidates width"]], Sequence[Past]]
"""Function from a layer and the candidates' keys and values in this layer to the keys and values of the actions taken.

The result has a row for each step, in one or more parts.
"""


class Encoder(eqx.Module):
    """Weights of all layers, stacked: attention, normalisation, feed-forward, normalisation."""

    query_key_value: Float[AnyArray, "*replicas layers width three_width"]
    attention_out: Float[AnyArray, "*replicas layers width width"]
    attention_norm: Float[AnyArray, "*replicas layers 2 width"]
    hidden: Float[AnyArray, "*replicas layers width feed_forward"]
    hidden_bias: Float[AnyArray, "*replicas layers feed_forward"]
    out: Float[AnyArray, "*replicas layers feed_forward width"]
    out_bias: Float[AnyArray, "*replicas layers width"]
    out_norm: Float[AnyArray, "*replicas layers 2 width"]
    heads: int = eqx.field(static=True)
    normalise: Normalise = eqx.field(static=True)

    @property
    def layers(self) -> int:
        """Number of layers of a network without an axis of replicas."""
        return self.hidden.shape[0]


def encoder_tensors(architecture: Attentive) -> dict[str, Initial]:
    """Returns the tensors of the part `encoder` of a network, see `Policy.initial`."""
    n, width, hidden = architecture.layers, architecture.width, architecture.feed_forward
    scale = architecture.weight_scale
    return {
        "encoder.query_key_value": weights(scale, n, width, 3 * width),
        "encoder.attention_out": weights(scale, n, width, width),
        "encoder.attention_norm": Initial((n, 2, width)),
        "encoder.hidden": weights(scale, n, width, hidden),
        "encoder.hidden_bias": Initial((n, hidden)),
        "encoder.out": weights(scale, n, hidden, width),
        "encoder.out_bias": Initial((n, width)),
        "encoder.out_norm": Initial((n, 2, width)),
    }


def build_encoder(drawn: dict[str, Any], architecture: Attentive) -> Encoder:
    """Returns the encoder of a network that is built, see `Policy.build`."""
    tensors = take_part(drawn, "encoder")
    for norm in ("attention_norm", "out_norm"):
        tensors[norm][:, 0] = 1.0
    return Encoder(**tensors, heads=architecture.heads, normalise=architecture.normalise)


def encode_causal(
    encoder: Encoder,
    tokens: Float[Array, "candidates width"],
    past: PastFn,
    visible: Sequence[Bool[Array, "candidates _"]],
) -> tuple[Float[Array, "candidates width"], list[Float[Array, "candidates width"]]]:
    """Encodes candidates; each attends to the actions taken before, and to its own token, but to no other candidate.

    Args:
        encoder: Weights.
        tokens: Shape `[candidates, width]`.
        past: Function that gives the keys and values of the actions taken in each layer.
        visible: For each part of the past, Shape `[candidates, steps]`, True for the steps that a candidate attends to.

    Returns:
        Outputs, Shape `[candidates, width]`, and the keys and values of the candidates, two arrays for each layer.
    """
    x, cached = tokens, []
    for layer in range(encoder.layers):
        query, key, value = _query_key_value(encoder, layer, x)
        parts = past(layer, key, value)
        q, k, v = (by_head(encoder, y) for y in (query, key, value))
        scale = q.shape[-1] ** -0.5
        scores = [
            jnp.where(seen[:, None], jnp.einsum("chd,shd->chs", q, keys) * scale, -jnp.inf)
            for (keys, _), seen in zip(parts, visible, strict=True)
        ]
        to_self = jnp.sum(q * k, -1, keepdims=True) * scale
        weights = jax.nn.softmax(jnp.concatenate([*scores, to_self], -1), -1)
        shares = jnp.split(weights, np.cumsum([seen.shape[-1] for seen in visible]), -1)
        mixed = shares[-1] * v
        for (_, values), share in zip(parts, shares, strict=False):
            mixed = jnp.einsum("chs,shd->chd", share, values) + mixed
        x = _after_attention(encoder, layer, x, mixed.reshape(x.shape))
        cached += [key, value]
    return _end(encoder, x), cached


def by_head(encoder: Encoder, x: Float[Array, "*rows width"]) -> Float[Array, "*rows heads size"]:
    """Returns rows with a separate axis for the heads of the attention."""
    return x.reshape(*x.shape[:-1], encoder.heads, -1)


def cached_past(encoder: Encoder, cache: Float[Array, "slots steps width"]) -> PastFn:
    """Returns the function that reads the keys and values of a cache with two slots for each layer."""
    return lambda layer, _key, _value: [(by_head(encoder, cache[2 * layer]), by_head(encoder, cache[2 * layer + 1]))]


def encode_bidirectional(
    encoder: Encoder, tokens: Float[Array, "steps width"], last: Int[Array, ""]
) -> tuple[Float[Array, "steps width"], Float[Array, "layers heads steps steps"]]:
    """Encodes a sequence in which every position attends to all positions up to the last.

    Args:
        encoder: Weights.
        tokens: Shape `[steps, width]`.
        last: Position of the candidate; no position attends to later positions.

    Returns:
        Outputs, Shape `[steps, width]`, and attention weights, Shape `[layers, heads, steps, steps]`.
    """
    steps = tokens.shape[0]
    return encode(encoder, tokens, jnp.broadcast_to(jnp.arange(steps) <= last, (steps, steps)))


def encode(
    encoder: Encoder, tokens: Float[Array, "steps width"], visible: Bool[Array, "steps steps"]
) -> tuple[Float[Array, "steps width"], Float[Array, "layers heads steps steps"]]:
    """Encodes a sequence.

    Args:
        encoder: Weights.
        tokens: Shape `[steps, width]`.
        visible: Shape `[steps, steps]`; row m is True for the positions that position m attends to.

    Returns:
        Outputs, Shape `[steps, width]`, and attention weights, Shape `[layers, heads, steps, steps]`.
    """
    x, found = tokens, []
    for layer in range(encoder.layers):
        q, k, v = (by_head(encoder, y) for y in _query_key_value(encoder, layer, x))
        scores = jnp.where(visible[None], jnp.einsum("qhd,khd->hqk", q, k) * q.shape[-1] ** -0.5, -jnp.inf)
        found.append(jax.nn.softmax(scores, -1))
        mixed = jnp.einsum("hqk,khd->qhd", found[-1], v).reshape(x.shape)
        x = _after_attention(encoder, layer, x, mixed)
    return _end(encoder, x), jnp.stack(found)


def _query_key_value(encoder: Encoder, layer: int, x: Float[Array, "rows width"]) -> list[Float[Array, "rows width"]]:
    seen = _norm(x, encoder.attention_norm[layer]) if encoder.normalise == "before" else x
    return jnp.split(seen @ encoder.query_key_value[layer], 3, axis=-1)


def _after_attention(
    encoder: Encoder, layer: int, x: Float[Array, "rows width"], mixed: Float[Array, "rows width"]
) -> Float[Array, "rows width"]:
    x = x + mixed @ encoder.attention_out[layer]
    if encoder.normalise == "before":
        return x + _feed_forward(encoder, layer, _norm(x, encoder.out_norm[layer]))
    x = _norm(x, encoder.attention_norm[layer])
    return _norm(x + _feed_forward(encoder, layer, x), encoder.out_norm[layer])


def _feed_forward(encoder: Encoder, layer: int, x: Float[Array, "rows width"]) -> Float[Array, "rows width"]:
    hidden = jax.nn.relu(x @ encoder.hidden[layer] + encoder.hidden_bias[layer][None])
    return hidden @ encoder.out[layer] + encoder.out_bias[layer][None]


def _end(encoder: Encoder, x: Float[Array, "rows width"]) -> Float[Array, "rows width"]:
    return _standardise(x) if encoder.normalise == "before" else x  # nothing has bounded the residual sums


def _norm(x: Float[Array, "rows width"], norm: Float[Array, "2 width"]) -> Float[Array, "rows width"]:
    return _standardise(x) * norm[0][None] + norm[1][None]


def _standardise(x: Float[Array, "rows width"]) -> Float[Array, "rows width"]:
    centred = x - jnp.mean(x, -1, keepdims=True)
    return centred * jax.lax.rsqrt(jnp.mean(jnp.square(centred), -1, keepdims=True) + 1e-5)
