"""The merged graph as text for Graphviz and Mermaid."""

import pytest

from problems import cnn as CNN
from problems import ffn as FFN
from transfernas.spaces.choice import Choice, Repeat
from transfernas.spaces.drawing import merged_dot, merged_mermaid
from transfernas.spaces.space import SearchSpace


def test_merged_dot() -> None:
    expected = r"""digraph merged {
  rankdir=TB;
  node [shape=box, style=rounded];
  n0 [label="S", shape=circle];
  n1 [label="filters\n16, 32, 64"];
  n2 [label="kernel size\n3, 5"];
  n3 [label="dense layers\n0, 1"];
  n4 [label="dense units\n32, 64"];
  n5 [label="activation\nrelu, tanh"];
  n6 [label="T", shape=circle];
  n0 -> n1 [label="cnn"];
  n1 -> n2 [label="cnn"];
  n2 -> n3 [label="cnn"];
  n3 -> n4 [label="cnn"];
  n3 -> n6 [label="cnn"];
  n4 -> n6 [label="cnn"];
  n0 -> n4 [label="ffn"];
  n4 -> n5 [label="ffn"];
  n5 -> n6 [label="ffn"];
}
"""
    assert merged_dot([CNN, FFN]) == expected
    assert merged_dot(iter([CNN, FFN])) == expected


def test_merged_mermaid() -> None:
    assert (
        merged_mermaid([CNN, FFN])
        == """flowchart TD
  n0(("S"))
  n1["filters<br/>16, 32, 64"]
  n2["kernel size<br/>3, 5"]
  n3["dense layers<br/>0, 1"]
  n4["dense units<br/>32, 64"]
  n5["activation<br/>relu, tanh"]
  n6(("T"))
  n0 -->|"cnn"| n1
  n1 -->|"cnn"| n2
  n2 -->|"cnn"| n3
  n3 -->|"cnn"| n4
  n3 -->|"cnn"| n6
  n4 -->|"cnn"| n6
  n0 -->|"ffn"| n4
  n4 -->|"ffn"| n5
  n5 -->|"ffn"| n6
"""
    )


def test_repetitions_are_one_node_and_shared_steps_one_edge() -> None:
    deep = SearchSpace("deep", [Repeat("layers", (1, 2), [Choice("units", (32,))])])
    wide = SearchSpace("wide", [Choice("layers", (1, 3)), Choice("width", (64, 32), state="units")])
    assert merged_dot([deep, wide]).splitlines()[3:-1] == [
        '  n0 [label="S", shape=circle];',
        '  n1 [label="layers\\n1, 2, 3"];',
        '  n2 [label="units\\n32, 64"];',
        '  n3 [label="T", shape=circle];',
        '  n0 -> n1 [label="deep, wide"];',
        '  n1 -> n2 [label="deep, wide"];',
        '  n2 -> n2 [label="deep"];',
        '  n2 -> n3 [label="deep, wide"];',
    ]


@pytest.mark.parametrize(
    ("text", "dot", "mermaid"),
    [
        ('say "hi"', r"say \"hi\"", "say #quot;hi#quot;"),
        ("a<b>", "a<b>", "a#lt;b#gt;"),
        (r"back\slash", r"back\\slash", r"back\slash"),
        ("R&D", "R&D", "R#amp;D"),
    ],
)
def test_escapes(text: str, dot: str, mermaid: str) -> None:
    space = SearchSpace(text, [Choice(text, (text,))])
    assert f'  n1 [label="{dot}\\n{dot}"];\n' in merged_dot([space])
    assert f'  n0 -> n1 [label="{dot}"];\n' in merged_dot([space])
    assert f'  n1["{mermaid}<br/>{mermaid}"]\n' in merged_mermaid([space])
    assert f'  n0 -->|"{mermaid}"| n1\n' in merged_mermaid([space])
