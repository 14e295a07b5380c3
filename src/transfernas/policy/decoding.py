"""One step of decoding, with what the earlier steps left in a cache.

The cache holds, for each step so far, the keys and values of every layer (causal attention) or the token itself
(bidirectional attention, which encodes the past anew for each candidate). Shape `[slots, steps, width]`.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ..spaces.encoding import Decisions
from .transformer import Transformer, candidate_tokens, encode_bidirectional, encode_causal, state_logits

Cache = Float[Array, "slots steps width"]


def empty_cache(policy: Transformer, steps: int) -> Cache:
    """Returns the cache of a sequence that has room for so many steps and none yet."""
    layers, width, _ = policy.encoder.query_key_value.shape
    slots = 2 * layers if policy.attention == "causal" else 1
    return jnp.zeros((slots, steps, width))


def decode_step(
    policy: Transformer,
    decisions: Decisions,
    cache: Cache,
    task: Int[Array, ""],
    step: Int[Array, ""],
    decision: Int[Array, ""],
) -> tuple[Float[Array, "actions"], Float[Array, "slots actions width"]]:
    """Scores the candidates of the next decision.

    Args:
        policy: the network.
        decisions: every decision that can occur.
        cache: what the steps before this one left.
        task: row of the task.
        step: how many steps came before.
        decision: row of the decision.

    Returns:
        Logits, Shape `[actions]`, and what each candidate would leave in the cache, Shape `[slots, actions, width]`.
    """
    position = policy.position[step][None]
    tokens = candidate_tokens(policy, decisions, task, decision[None], position)
    if policy.attention == "causal":
        visible = (jnp.arange(cache.shape[1]) < step)[None]
        encoded, cached = encode_causal(
            policy, tokens, lambda layer: lambda _key, _value: (cache[2 * layer], cache[2 * layer + 1]), visible
        )
        entries = jnp.concatenate(cached)
    else:

        def encode(token: Float[Array, "width"]) -> Float[Array, "width"]:
            return encode_bidirectional(policy, cache[0].at[step].set(token), step)

        encoded, entries = jax.vmap(encode)(tokens[0])[None], tokens
    return state_logits(policy, encoded, decisions.state[decision][None])[0], entries


def append(
    cache: Cache, entries: Float[Array, "slots actions width"], step: Int[Array, ""], action: Int[Array, ""]
) -> Cache:
    """Returns the cache with the entries of the action taken at a step."""
    return cache.at[:, step].set(entries[:, action])
