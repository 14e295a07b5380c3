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
    nodes, edges = _merge(tuple(spaces))
    lines = ["digraph merged {", "  rankdir=TB;", "  node [shape=box, style=rounded];"]
    for number, (state, actions) in enumerate(nodes.items()):
        shape = ", shape=circle" if state in _NODE_NAMES else ""
        lines.append(f"  n{number} [label={_dot_text(_title(state), actions)}{shape}];")
    order = {state: number for number, state in enumerate(nodes)}
    for (source, target), names in edges.items():
        lines.append(f"  n{order[source]} -> n{order[target]} [label={_dot_text(', '.join(names), ())}];")
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
    nodes, edges = _merge(tuple(spaces))
    lines = ["flowchart TD"]
    for number, (state, actions) in enumerate(nodes.items()):
        left, right = ("((", "))") if state in _NODE_NAMES else ("[", "]")
        lines.append(f"  n{number}{left}{_mermaid_text(_title(state), actions)}{right}")
    order = {state: number for number, state in enumerate(nodes)}
    for (source, target), names in edges.items():
        lines.append(f"  n{order[source]} -->|{_mermaid_text(', '.join(names), ())}| n{order[target]}")
    return "\n".join([*lines, ""])


def _merge(
    spaces: tuple[SearchSpace, ...],
) -> tuple[dict[str, tuple[str, ...]], dict[tuple[str, str], tuple[str, ...]]]:
    """Returns the actions of each state, and the names of the spaces that allow each step between states."""
    nodes: dict[str, dict[str, None]] = {START: {}}
    edges: dict[tuple[str, str], dict[str, None]] = {}
    for space in spaces:
        state = {START: START, END: END} | {choice.name: choice.state for choice in space.choices}
        for choice in space.choices:
            nodes.setdefault(choice.state, {}).update({str(action): None for action in choice.actions})
        for edge in space.edges:
            edges.setdefault((state[edge.source], state[edge.target]), {})[space.name] = None
    nodes[END] = {}
    return {name: tuple(actions) for name, actions in nodes.items()}, {step: tuple(n) for step, n in edges.items()}


def _title(state: str) -> str:
    return _NODE_NAMES.get(state, state)


def _dot_text(title: str, actions: tuple[str, ...]) -> str:
    lines = [title, ", ".join(actions)] if actions else [title]
    escaped = [line.replace("\\", "\\\\").replace('"', '\\"') for line in lines]
    return '"' + "\\n".join(escaped) + '"'


def _mermaid_text(title: str, actions: tuple[str, ...]) -> str:
    lines = [title, ", ".join(actions)] if actions else [title]
    escape = {"&": "#amp;", '"': "#quot;", "<": "#lt;", ">": "#gt;"}
    return '"' + "<br/>".join("".join(escape.get(letter, letter) for letter in line) for line in lines) + '"'
