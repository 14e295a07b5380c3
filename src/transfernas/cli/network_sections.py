"""The sections of the report about the network of an agent's policy: its embeddings and its attention."""

import functools

from .. import plots
from ..insight.attention import START, DecisionAttention
from ..insight.beliefs import Beliefs
from ..insight.figure_data import attention_table
from ..spaces.vocabulary import listed
from . import page
from .sections import LISTED, Page


def add_maps(found: Page, beliefs: Beliefs, alone: bool, of: str = "") -> None:
    """Adds the tasks and the spaces that an agent knows, as points in the plane, behind the other sections.

    Args:
        found: the page.
        beliefs: of the agent, about any of its problems.
        alone: whether the page is about this problem alone, which is then marked in the figures.
        of: words behind the heading.
    """
    found.last.append(page.heading(f"Tasks and spaces in the plane{of}", 3))
    pictures, single = list[str](), list[str]()
    for noun, its, mine, draw in (
        ("task", beliefs.tasks, beliefs.task, plots.plot_tasks),
        ("space", beliefs.spaces, beliefs.space, plots.plot_spaces),
    ):
        if len(its.names) < 2:
            single.append(f"The agent knows one {noun} alone, {listed(its.names)}, so there is no distance to show.")
            continue
        caption = f"{noun.capitalize()}s as the policy sees them. For {noun}s near one another, it acts alike."
        caption += f" The diamond is the {noun} of this search." if alone else ""
        pictures.append(found.figure(functools.partial(draw, its, mine if alone else None), caption))
    if pictures:
        words = "The policy has learned an embedding of each task and of each space, which is a list of numbers. The "
        words += f"points are the embeddings of the {beliefs.policy}, in the two directions in which they differ most. "
        words += "A point starts at a place that says nothing, and moves with the trials."
        if beliefs.policy == "new policy":
            words += " It has learned from this search alone, so the other points lie where they were drawn."
        found.last += [page.paragraph(words), page.figures(pictures)]
    found.last += map(page.paragraph, single)


def add_attention(found: Page, attention: DecisionAttention | None, of: str = "") -> None:
    """Adds the attention between the decisions of the best configuration, with a figure for each layer, likewise.

    Args:
        found: the page.
        attention: of the best configuration; None to add nothing.
        of: words behind the heading.
    """
    if attention is None:
        return
    layers = len(attention.weights)
    its = "A row is a decision about the best configuration, in the order in which the policy decides. The stronger "
    its += "the colour of a field, the more the decision attends to the choice below; later choices have no field."
    its += ' "start" stands before the first choice, which is the space.' if attention.tokens[0] == START else ""
    names = [""] if layers == 1 else [f"Layer {layer + 1} of {layers}. " for layer in range(layers)]
    pictures, tables = list[str](), list[str]()
    for layer, name in enumerate(names):
        pictures.append(found.figure(functools.partial(plots.plot_attention, attention, layer), f"{name}{its}"))
        decisions, tokens, weights = attention_table(attention, layer)
        rows = ((row, *map(_percent, shares)) for row, shares in zip(decisions, weights.tolist(), strict=True))
        tables.append((page.paragraph(name) if name else "") + page.table(("decision", *tokens), rows))
    words = "The policy decides one parameter after another, with a look at the choices before: the attention of its "
    words += "network. A choice without attention may still act through another choice."
    title = f"Attention between the decisions of the best configuration{of}"
    found.last += [page.heading(title, 3), page.paragraph(words), page.figures(pictures)]
    if len(attention.decisions) <= LISTED:
        found.last.append(page.hidden("The attention as a table", "".join(tables)))


def _percent(share: float) -> str:
    return "" if share != share else f"{100 * share:.0f} %"
