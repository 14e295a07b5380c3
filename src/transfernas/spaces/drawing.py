"""Draws the merged graph of several search spaces as text for Graphviz or Mermaid (paper, figure 1)."""

from collections.abc import Iterable

from .choice import END, START
from .space import SearchSpace

_NODE_NAMES = {START: "S", END: "T"}


def merged_dot(spaces: Iterable[SearchSpace]) -> str:
    """Returns the merged graph of search spaces in Graphviz's DOT language.

    States of the same name are a single node, and so are the repetitions of a block. The label of an edge lists the
    spaces that have the edge.

    Raises:
        ValueError: See `SearchSpace.edges`.

    Example:
        ```python
        small = SearchSpace("small", [Choice("filters", (16, 32))])
        large = SearchSpace("large", [Choice("filters", (16, 32, 64)), Choice("kernel", (3, 5))])
        print(merged_dot([small, large]))
        ```
    """
    nodes, edges = _merge(spaces)
    lines = ["digraph merged {", "  rankdir=TB;", "  node [shape=box, style=rounded];"]
    for number, (state, label) in enumerate(nodes.items()):
        shape = ", shape=circle" if state in _NODE_NAMES else ""
        lines.append(f"  n{number} [label={_dot_text(label)}{shape}];")
    lines += [f"  n{source} -> n{target} [label={_dot_text(label)}];" for (source, target), label in edges.items()]
    return "\n".join([*lines, "}", ""])


def merged_mermaid(spaces: Iterable[SearchSpace]) -> str:
    """Returns the merged graph of search spaces as a Mermaid flowchart, which GitHub renders; see `merged_dot`.

    Raises:
        ValueError: See `SearchSpace.edges`.

    Example:
        ```python
        print(merged_mermaid([SearchSpace("small", [Choice("filters", (16, 32))])]))
        ```
    """
    nodes, edges = _merge(spaces)
    lines = ["flowchart TD"]
    for number, (state, label) in enumerate(nodes.items()):
        left, right = ("((", "))") if state in _NODE_NAMES else ("[", "]")
        lines.append(f"  n{number}{left}{_mermaid_text(label)}{right}")
    lines += [f"  n{source} -->|{_mermaid_text(label)}| n{target}" for (source, target), label in edges.items()]
    return "\n".join([*lines, ""])


def _merge(spaces: Iterable[SearchSpace]) -> tuple[dict[str, list[str]], dict[tuple[int, int], list[str]]]:
    """Returns the lines of the label of each state, and of each step, which is given by the positions of two states."""
    nodes: dict[str, dict[str, None]] = {START: {}}
    edges: dict[tuple[str, str], dict[str, None]] = {}
    for space in spaces:
        state = {START: START, END: END} | {choice.name: choice.state for choice in space.choices}
        for choice in space.choices:
            shown = choice.actions if choice.numbers is None else [str(choice.numbers)]
            nodes.setdefault(choice.state, {}).update({str(action): None for action in shown})
        for edge in space.edges:
            edges.setdefault((state[edge.source], state[edge.target]), {})[space.name] = None
    nodes[END] = {}
    order = {state: number for number, state in enumerate(nodes)}
    labels = {state: [_NODE_NAMES.get(state, state), ", ".join(actions)] for state, actions in nodes.items()}
    labels |= {state: labels[state][:1] for state in _NODE_NAMES}  # these have no actions
    return labels, {(order[source], order[target]): [", ".join(names)] for (source, target), names in edges.items()}


def _dot_text(lines: list[str]) -> str:
    escaped = [line.replace("\\", "\\\\").replace('"', '\\"') for line in lines]
    return '"' + "\\n".join(escaped) + '"'


def _mermaid_text(lines: list[str]) -> str:
    escape = {"&": "#amp;", '"': "#quot;", "<": "#lt;", ">": "#gt;"}
    return '"' + "<br/>".join("".join(escape.get(letter, letter) for letter in line) for line in lines) + '"'
