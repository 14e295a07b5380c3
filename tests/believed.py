"""Beliefs and the record of a search, with round numbers, for tests of figures."""

from transfernas.insight.attention import DecisionAttention
from transfernas.insight.beliefs import Beliefs, ExpectedConfig, ParameterBeliefs, SourceValues
from transfernas.insight.likeness import TaskLikeness
from transfernas.insight.number_ranges import NumberRange
from transfernas.insight.plane import EmbeddingMap
from transfernas.insight.progress import SearchRecord, SearchTrial

RATE = ParameterBeliefs(
    "learning $rate",
    (0.001, 0.01, 0.1),
    1.0,
    (0.25, 0.5, 0.25),
    (SourceValues("s", "one", (1.0, 0.0, 0.0)), SourceValues("s", "two", (0.5, 0.0, 0.25))),
    0.75,
    0.6,
)
ACT = ParameterBeliefs("act", ("relu", "tanh"), 0.5, (1.0, 0.0), (), 0.25, 0.2)
TASKS = EmbeddingMap(("one", "two", "three"), ((0.0, 1.0), (2.0, 0.0), (-1.0, -1.0)), (0.8, 0.2))
SPACES = EmbeddingMap(("s", "wide"), ((1.0, 0.0), (-1.0, 0.0)), (1.0, 0.0))
LIKE = (TaskLikeness("s", "one", 9, 0.9, 0.5, 60), TaskLikeness("s", "two", 9, -0.25, None, 2))
BELIEFS = Beliefs("s", "three", 12, "policy", 480, (RATE, ACT), "this problem", LIKE, TASKS, SPACES, (), ())
UNITS = ParameterBeliefs(
    "units",
    (8, 17, 33, 65),
    1.0,
    (0.25,) * 4,
    (),
    None,
    None,
    (NumberRange(8, 16), NumberRange(16, 32), NumberRange(32, 64), NumberRange(64, 128, about=True)),
)
KINDS = ParameterBeliefs("kind", tuple("abcdefgh"), 1.0, (0.125,) * 8, (), None, None)
UNUSED = ParameterBeliefs("unused", (1, 2), 0.0, (0.5, 0.5), (), None, None)
EXPECTED = (
    ExpectedConfig({"learning $rate": 0.01, "act": "relu", "units": 17, "kind": "c"}, 1.5, None),
    ExpectedConfig({"learning $rate": 0.1, "units": 17, "kind": "c"}, 1.0, None),
    ExpectedConfig({"learning $rate": 0.01, "act": "tanh", "units": 65, "kind": "g"}, 0.5, 3.0),
)
RANKED = Beliefs(
    "s", "t", 12, "policy", 480, (RATE, ACT, UNITS, KINDS, UNUSED), "nothing", (), TASKS, SPACES, EXPECTED, ()
)
POINTS = ((3.0, "warm start from one"), (2.0, "policy"), (None, "policy"), (2.5, None), (0.5, "surrogate"))
RECORD = SearchRecord(
    "search", "value", False, tuple(SearchTrial(n, value, who, None, {}) for n, (value, who) in enumerate(POINTS))
)
NOTHING = EmbeddingMap((), (), (0.0, 0.0))
EMPTY = Beliefs("s", "t", 0, "policy", 1, (), "nothing", (), NOTHING, NOTHING, (), ())


def attention_of(decisions: int, layers: int = 1) -> DecisionAttention:
    """Two heads: in each row the first has all of its weight on the first token, the second on the last."""
    names = tuple(f"d{number}" for number in range(decisions))
    first = tuple(tuple(float(token == 0) for token in range(decisions + 1)) for _ in names)
    last = tuple(tuple(float(token == row + 1) for token in range(decisions + 1)) for row in range(decisions))
    tokens = ("start", "space=$s", *(f"{name}=1" for name in names[:-1]))
    return DecisionAttention(dict.fromkeys(names, 1), names, tokens, ((first, last),) * (layers - 1) + ((last, last),))
