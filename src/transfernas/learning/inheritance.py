"""The initial embeddings of new members of families (see `spaces.families`): near the embedding of their family.

Known names keep their embeddings: if known states turn out to be of one family, the family starts at their mean.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np
from jaxtyping import Int

from ..policy.policy import Policy
from ..spaces.vocabulary import Vocabulary
from .number_embeddings import initialise_numbers

# Not for tuning. A new name must differ from a name that is like it, so that the policy can tell the two apart. The two
# must differ by less than unrelated names do.
INITIAL_DISTANCE = 0.3
"""The distance between a new embedding and the one that it is like, in initial standard deviations."""

Parents = Int[np.ndarray, "rows"]


def initialise_new_rows(policy: Policy, vocabulary: Vocabulary, known: Vocabulary, length: float) -> Policy:
    """Returns networks in which new names start near similar ones: members of families, and numbers.

    Args:
        policy: the networks, one for each replica, as NumPy arrays.
        vocabulary: all names.
        known: the names whose rows stay.
        length: the network's `number_length`, see `learning.number_embeddings`.
    """
    return initialise_numbers(initialise_families(policy, vocabulary, known), vocabulary, len(known.actions), length)


def initialise_families(policy: Policy, vocabulary: Vocabulary, known: Vocabulary) -> Policy:
    """Returns networks in which new members of families differ little from their families.

    Args:
        policy: the networks, one for each replica, as NumPy arrays.
        vocabulary: all names.
        known: the names whose rows stay.
    """
    tables = {}
    for name, _, after, count in _tables(policy, known, vocabulary, known):
        new = np.flatnonzero((after >= 0) & (np.arange(len(after)) >= count))
        if len(new):
            tables[name] = getattr(policy, name).copy()
            tables[name][:, new] *= np.float32(INITIAL_DISTANCE)
    return dataclasses.replace(policy, **tables)


def reassign_families(policy: Policy, before: Vocabulary, vocabulary: Vocabulary, known: Vocabulary) -> Policy:
    """Returns networks in which known states keep their embeddings, although their families changed.

    Args:
        policy: the networks, one for each replica, as NumPy arrays.
        before: the known names before they were renamed.
        vocabulary: all names.
        known: the known names after they were renamed.
    """
    tables = {}
    for name, was, after, count in _tables(policy, before, vocabulary, known):
        changed = np.flatnonzero(was != after[:count])
        if not len(changed):
            continue
        table = getattr(policy, name)
        whole = table[:, :count] + _column(was >= 0, table) * table[:, was]
        table = tables[name] = table.copy()
        for family in np.unique(after[changed]).tolist():
            if family >= count:
                table[:, family] = whole[:, after[:count] == family].mean(axis=1)
        parent = after[changed]
        table[:, changed] = whole[:, changed] - _column(parent >= 0, table) * table[:, parent]
    return dataclasses.replace(policy, **tables)


def _tables(
    policy: Policy, before: Vocabulary, vocabulary: Vocabulary, known: Vocabulary
) -> Iterator[tuple[str, Parents, Parents, int]]:
    """Yields each table of names, the parents of its rows before and now, and the number of known rows."""
    were, are = (dict(zip(("states", "actions"), names.parents(), strict=True)) for names in (before, vocabulary))
    counts = {"states": len(known.states), "actions": len(known.actions)}
    for name, kind in policy.rows.items():
        if kind in counts:
            yield name, were[kind], are[kind], counts[kind]


def _column(rows: np.ndarray, table: np.ndarray) -> np.ndarray:
    return rows.reshape(1, -1, *[1] * (table.ndim - 2)).astype(np.float32)
