"""One step of decoding, with what the earlier steps left in a cache.

The cache holds, for each step so far, the keys and values of every layer (causal attention) or the token itself
(bidirectional attention, which encodes the past anew for each candidate). Shape `[slots, steps, width]`.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .transformer import Candidates, Past, Transformer, encode_bidirectional, encode_causal

Cache = Float[Array, "slots steps width"]


def empty_cache(policy: Transformer, steps: int) -> Cache:
    """Returns the cache of a sequence that has room for so many steps and none yet."""
    layers, width, _ = policy.encoder.query_key_value.shape
    slots = 2 * layers if policy.attention == "causal" else 1
    return jnp.zeros((slots, steps, width))


def decode_step(
    policy: Transformer, decision: Candidates, cache: Cache, step: Int[Array, ""]
) -> tuple[Float[Array, "actions"], Float[Array, "slots actions width"]]:
    """Scores the candidates of the next decision.

    Args:
        policy: the network.
        decision: the candidates, one row.
        cache: what the steps before this one left.
        step: how many steps came before.

    Returns:
        Logits, Shape `[actions]`, and what each candidate would leave in the cache, Shape `[slots, actions, width]`.
    """
    tokens = decision.tokens + policy.position[step][None, None]
    if policy.attention == "causal":
        visible = jnp.broadcast_to(jnp.arange(cache.shape[1]) < step, (tokens.shape[1], cache.shape[1]))

        def past(layer: int, _key: Float[Array, "..."], _value: Float[Array, "..."]) -> Past:
            return cache[2 * layer], cache[2 * layer + 1]

        encoded, cached = encode_causal(policy, tokens[0], past, visible)
        entries = jnp.stack(cached)
    else:

        def encode(token: Float[Array, "width"]) -> Float[Array, "width"]:
            return encode_bidirectional(policy, cache[0].at[step].set(token), step)

        encoded, entries = jax.vmap(encode)(tokens[0]), tokens
    return decision.logits(encoded[None])[0], entries


def append(
    cache: Cache, entries: Float[Array, "slots actions width"], step: Int[Array, ""], action: Int[Array, ""]
) -> Cache:
    """Returns the cache with the entries of the action taken at a step."""
    entry = jax.lax.dynamic_index_in_dim(entries, action, axis=1)
    return jax.lax.dynamic_update_slice_in_dim(cache, entry, step, axis=1)
