"""The initial embeddings of actions that are numbers: near those of neighbouring numbers.

Embeddings are drawn as values of a Gaussian process over the numbers. So the policy's knowledge of one learning rate
helps with the next one. The embeddings of new numbers are drawn given those of known numbers.
"""

import dataclasses
from typing import cast

import numpy as np
from jaxtyping import Float, Int

from ..policy.policy import Policy
from ..spaces.vocabulary import Vocabulary

# Not for tuning: these numbers keep the draws smooth and finite. The setting to tune is `number_length`.
_JITTER = 1e-5
_LEARNED = 0.1  # a variance: learned embeddings are less smooth than drawn ones, and a mean through all would overshoot
_DECADE = 10.0
_LARGEST = 1e300  # larger numbers, and NaN, count as names


def initialise_numbers(policy: Policy, vocabulary: Vocabulary, known: int, length: float) -> Policy:
    """Returns networks in which new actions that are numbers start near their neighbours.

    Args:
        policy: the networks, one for each replica, as NumPy arrays.
        vocabulary: the names of the actions.
        known: the number of known actions, whose embeddings stay.
        length: the network's `number_length`; at 0, the networks are returned as they are.
    """
    if not length:
        return policy
    return dataclasses.replace(policy, action=gp_initialised_embeddings(policy.action, vocabulary, known, length))


def gp_initialised_embeddings(
    drawn: Float[np.ndarray, "replicas actions embedding"], vocabulary: Vocabulary, known: int, length: float
) -> Float[np.ndarray, "replicas actions embedding"]:
    """Returns embeddings of actions in which neighbouring numbers are alike.

    The actions of a state count as numbers if there are three or more, and all are ints or floats. Distances are
    between the numbers, or between their logarithms if all are positive and span a decade. The unit is the mean gap.

    Args:
        drawn: Shape `[replicas, actions, embedding]`, independent draws from a normal distribution. The first `known`
            embeddings are learned, and stay.
        vocabulary: the names of the actions.
        known: the number of known actions.
        length: the length scale of the squared-exponential kernel, in mean gaps.
    """
    result = drawn.copy()
    for rows in number_rows(vocabulary).values():
        old, new = rows[rows < known], rows[rows >= known]
        if not len(new):
            continue
        position = dict(zip(rows.tolist(), _positions([vocabulary.actions[row][2] for row in rows]), strict=True))
        at_old, at_new = (np.array([position[row] for row in part.tolist()]) for part in (old, new))
        covariance, mean = _kernel(at_new, at_new, length), np.zeros(())
        if len(old):
            noisy = _kernel(at_old, at_old, length) + _LEARNED * np.eye(len(old))
            gain = np.linalg.solve(noisy, _kernel(at_old, at_new, length)).T
            covariance = covariance - gain @ _kernel(at_old, at_new, length)
            mean = np.einsum("no,roe->rne", gain, drawn[:, old])
        root = np.linalg.cholesky(covariance + _JITTER * np.eye(len(new)))
        result[:, new] = mean + np.einsum("nm,rme->rne", root, drawn[:, new])
    return result


def number_rows(vocabulary: Vocabulary) -> dict[str, Int[np.ndarray, "numbers"]]:
    """Returns the rows of the actions of each state whose actions are numbers."""
    return {
        state: rows
        for state, rows in vocabulary.rows_by_state().items()
        if len(rows) > 2 and all(_is_number(*vocabulary.actions[row][1:]) for row in rows)
    }


def _is_number(kind: str, action: object) -> bool:
    return kind in ("int", "float") and abs(cast(float, action)) < _LARGEST


def _positions(actions: list[object]) -> Float[np.ndarray, "numbers"]:
    """Returns the places of numbers on an axis on which the mean gap is 1."""
    values = np.array(actions, np.float64)
    with np.errstate(over="ignore"):
        decades = values.min() > 0 and values.max() / values.min() >= _DECADE
    values = np.log(values) if decades else values
    return (values - values.min()) / (np.ptp(values) or 1.0) * (len(values) - 1)


def _kernel(a: Float[np.ndarray, "a"], b: Float[np.ndarray, "b"], length: float) -> Float[np.ndarray, "a b"]:
    return np.exp(-0.5 * (np.subtract.outer(a, b) / length) ** 2)
