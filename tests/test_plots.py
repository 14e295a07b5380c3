"""The figures show the numbers that they are given."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from believed import BELIEFS, EMPTY, EXPECTED, RANKED, RATE, RECORD, TASKS, UNITS, attention_of
from transfernas import plots
from transfernas.insight.beliefs import ExpectedConfig
from transfernas.insight.figure_data import BLUE, PROPOSER_STYLES, RED, value_shares
from transfernas.insight.importances import Importance
from transfernas.insight.label_places import label_places
from transfernas.insight.number_ranges import NumberRange
from transfernas.insight.plane import EmbeddingMap
from transfernas.insight.progress import OTHERS, SearchRecord, SearchTrial, first_to_reach, gains, old_against_new


def labels(axes: Axes) -> list[str]:
    legend = axes.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def line(axes: Axes, label: str) -> tuple[list[float], list[float]]:
    (found,) = [each for each in axes.get_lines() if each.get_label() == label]
    return np.asarray(found.get_xdata()).tolist(), np.asarray(found.get_ydata()).tolist()


def test_values_are_bars_now_and_points_before() -> None:
    axes = plots.plot_values(RATE)
    assert [bar.get_height() for bar in axes.patches] == [0.25, 0.5, 0.25]  # type: ignore[attr-defined]
    assert line(axes, "best 8 trials of each of 2 other problems") == ([0, 1, 2], [0.75, 0.0, 0.125])
    assert line(axes, "chance")[1] == [pytest.approx(1 / 3)] * 2
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0.001", "0.01", "0.1"]
    assert labels(axes)[0] == "now" and axes.get_ylabel() == "probability" and axes.get_xlabel() == "learning $rate"


def test_values_of_a_range_have_labels_in_the_units_of_the_parameter() -> None:
    names = (0.0001334, 0.0002371, 0.0004217)
    reals = tuple(NumberRange(*ends) for ends in ((1e-4, 10**-3.75), (10**-3.75, 10**-3.5), (10**-3.5, 10**-3.25)))
    rate = replace(RATE, values=names, ranges=reals)
    axes = plots.plot_values(rate)
    assert axes.get_xticks().tolist() == [-0.5, 0.5, 1.5, 2.5]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0.0001", "0.000178", "0.000316", "0.000562"]
    assert value_shares(rate).labels == ("0.0001 to 0.000178", "0.000178 to 0.000316", "0.000316 to 0.000562")
    whole = replace(RATE, values=(0, 2, 4), ranges=(NumberRange(1, 1), NumberRange(2, 3), NumberRange(4, 5)))
    axes = plots.plot_values(whole)
    assert axes.get_xticks().tolist() == [0, 1, 2]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "2–3", "4–5"]


def test_importances_are_bars_in_percent_the_largest_at_the_top() -> None:
    for found in (BELIEFS, {"learning $rate": Importance(0.6, 0.75), "act": Importance(0.2, 0.25)}):
        axes = plots.plot_importances(found)
        assert [bar.get_width() for bar in axes.patches] == [25.0, 75.0]  # type: ignore[attr-defined]
        assert [tick.get_text() for tick in axes.get_yticklabels()] == ["act", "learning $rate"]
        assert "(%)" in axes.get_xlabel()


def test_numbers_that_differ_have_labels_that_differ() -> None:
    momentum = replace(
        BELIEFS.parameters[0], values=(0.9, 0.99, 0.999), probabilities=(0.2, 0.3, 0.5), sources=(), ranges=None
    )
    assert value_shares(momentum).labels == ("0.9", "0.99", "0.999")


def test_likeness_has_a_point_for_each_number() -> None:
    axes = plots.plot_likeness(BELIEFS)
    assert line(axes, "what the policy learned") == ([-0.25, 0.9], [0, 1])
    assert line(axes, "which values were good") == ([0.5], [1])
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["two", "one"]


def test_problems_of_one_task_are_told_apart_by_their_spaces() -> None:
    one, two = BELIEFS.likeness
    also_one, here = replace(two, space="t", task=one.task), replace(two, space="u", task=BELIEFS.task)
    axes = plots.plot_likeness(replace(BELIEFS, likeness=(one, also_one, here, two)))
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    assert names == ["two", "three (u)", "one (t)", f"one ({one.space})"]


def test_a_likeness_that_is_near_its_start_is_hollow() -> None:
    early = tuple(replace(each, too_early=True) for each in BELIEFS.likeness)
    axes = plots.plot_likeness(replace(BELIEFS, likeness=early))
    assert line(axes, "learned: too early to tell") == ([-0.25, 0.9], [0, 1])
    assert "what the policy learned" not in labels(axes) and line(axes, "which values were good") == ([0.5], [1])


def test_each_expected_configuration_has_its_mark_in_the_row_of_each_parameter() -> None:
    axes = plots.plot_expected_best(RANKED)
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["learning $rate", "act", "units", "kind"]
    assert labels(axes) == ["1st", "2nd", "3rd"] and "the 3 configurations" in axes.get_xlabel()
    (first, up), (second, middle), (third, down) = (line(axes, rank) for rank in labels(axes))
    assert first == pytest.approx([1 / 2, 1 / 4, 3 / 8, 1 / 6])  # two of eight kinds are taken
    assert second == pytest.approx([5 / 6, 3 / 8, 1 / 6]) and third == pytest.approx([1 / 2, 3 / 4, 7 / 8, 1 / 2])
    assert middle == [0, 2, 3] and "no mark: the configuration lacks the parameter" in axes.get_xlabel()
    for above, at, below in zip(up, range(4), down, strict=True):
        assert at - 0.3 < above < at < below < at + 0.3
    low, high = axes.get_ylim()
    assert low > high  # so that the first one is above the others
    styles = {(mark.get_color(), mark.get_marker()) for mark in axes.get_lines()}
    assert len(styles) == len({colour for colour, _ in styles}) == len({mark for _, mark in styles}) == 3


def test_a_row_has_the_ends_of_its_range_and_the_value_of_the_first_configuration() -> None:
    axes = plots.plot_expected_best(RANKED)
    written = [
        (round(text.get_position()[0], 3), text.get_text(), text.get_horizontalalignment()) for text in axes.texts
    ]
    assert [(place, words) for place, words, _ in written if place <= 1] == [
        *[(0.167, "0.001"), (0.5, "0.01"), (0.833, "0.1"), (0.25, "relu"), (0.75, "tanh")],
        *[(0.0, "8"), (0.5, "32"), (1.0, "~128"), (0.167, "c"), (0.5, "g"), (0.833, "6 others")],
    ]
    assert {(place, side) for place, _, side in written if place in (0, 1)} == {(0, "left"), (1, "right")}
    assert [words for place, words, _ in written if place > 1] == ["0.01", "relu", "16–32", "c", "1st:"]
    first = ExpectedConfig({"units": 65}, 2.0, None)
    axes = plots.plot_expected_best(replace(RANKED, expected_best=(first, *EXPECTED)))
    assert [text.get_text() for text in axes.texts if text.get_position()[0] > 1] == ["–", "–", "~64–128", "–", "1st:"]


def test_a_number_inside_of_a_part_of_a_range_stands_at_the_part() -> None:
    """The configurations of a declared range have numbers, not the names of the parts."""
    beliefs = replace(RANKED, expected_best=tuple(ExpectedConfig({"units": n}, 1.0, None) for n in (20, 16, 128, 9)))
    axes = plots.plot_expected_best(beliefs)
    assert [line(axes, rank)[0] for rank in labels(axes)] == [[0.375], [0.375], [0.875], [0.125]]


def test_numbers_of_a_list_are_in_ascending_order_and_of_many_three_are_named() -> None:
    sizes = replace(UNITS, values=(1024, 16, 32, 64, 128, 256, 512), probabilities=(1 / 7,) * 7, ranges=None)
    beliefs = replace(RANKED, parameters=(sizes,), expected_best=(ExpectedConfig({"units": 1024}, 1.0, None),))
    axes = plots.plot_expected_best(beliefs)
    assert line(axes, "1st")[0] == pytest.approx([13 / 14])
    assert [text.get_text() for text in axes.texts] == ["16", "128", "1,024", "1,024", "1st:"]
    assert axes.get_xlabel().splitlines() == [
        "the 1 configuration that the policy ranks highest",
        "each row is a parameter over its own range",
    ]


def test_without_a_configuration_the_figure_says_so() -> None:
    axes = plots.plot_expected_best(EMPTY)
    assert axes.get_xlabel() == "no valid configuration was drawn" and not axes.get_lines() and not labels(axes)


def test_of_many_parameters_the_most_important_ones_have_rows() -> None:
    many = tuple(replace(RATE, name=f"p{number}", importance=number / 100) for number in range(14))
    best = ExpectedConfig({each.name: 0.1 for each in many}, 1.0, None)
    axes = plots.plot_expected_best(replace(RANKED, parameters=many, expected_best=(best,)))
    assert [tick.get_text() for tick in axes.get_yticklabels()] == [f"p{number}" for number in range(2, 14)]
    assert "12 of 14 parameters, the most important" in axes.get_xlabel()


def test_a_long_name_of_a_parameter_has_lines() -> None:
    named = replace(RATE, name="the rate by which the weights are learned and more")
    best = ExpectedConfig({named.name: 0.1}, 1.0, None)
    axes = plots.plot_expected_best(replace(RANKED, parameters=(named,), expected_best=(best,)))
    (name,) = (tick.get_text() for tick in axes.get_yticklabels())
    assert name == "the rate by\nwhich the\nweights are…"


def test_progress_shows_each_trial_by_its_proposer_and_the_best_so_far() -> None:
    other = SearchRecord("other", "value", False, (SearchTrial(0, 1.0, None, None, {}),))
    axes = plots.plot_progress(RECORD, other)
    assert line(axes, "policy") == ([1], [2.0]) and line(axes, "warm start") == ([0], [3.0])
    assert line(axes, OTHERS) == ([3], [2.5]) and line(axes, "surrogate") == ([4], [0.5])
    assert line(axes, "best so far") == ([0, 1, 2, 3, 4], [3.0, 2.0, 2.0, 2.0, 0.5])
    assert line(axes, "best of other") == ([0], [1.0])
    assert axes.get_ylabel() == "value (lower is better)" and axes.get_xlabel() == "number of the trial, from 0"


def test_progress_leaves_out_what_would_hide_the_rest_and_says_so() -> None:
    values = [1e9, *np.linspace(1, 2, 20).tolist()]
    trials = tuple(SearchTrial(n, value, "policy", None, {}) for n, value in enumerate(values))
    axes = plots.plot_progress(SearchRecord("s", "value", False, trials))
    assert axes.get_ylim()[1] < 10 and axes.get_xlabel() == "number of the trial, from 0 (hollow: 1 worse one above)"
    many = tuple(SearchTrial(n, float(n), "policy", None, {}) for n in range(5_000))
    marks = line(plots.plot_progress(SearchRecord("s", "value", True, many)), "policy")[0]
    assert 300 < len(marks) <= 600


@pytest.mark.parametrize("sign", [1, -1])
def test_worse_trials_are_hollow_marks_of_their_proposers_at_the_edge(sign: int) -> None:
    points = [(9e3, "warm start from a"), (9e3, "new policy"), *((1 + n / 20, "policy") for n in range(20))]
    points += [(7e3, "new policy")]
    trials = tuple(SearchTrial(n, sign * value, who, None, {}) for n, (value, who) in enumerate(points))
    axes = plots.plot_progress(SearchRecord("s", "value", sign < 0, trials))
    axes.figure.draw_without_rendering()  # type: ignore[union-attr]
    new, warm = (each for each in axes.get_lines() if each.get_label() == "_outside")
    for mark, kind, numbers in ((new, "new policy", [1, 22]), (warm, "warm start", [0])):
        assert np.asarray(mark.get_xdata()).tolist() == numbers and mark.get_markerfacecolor() == "none"
        assert (mark.get_color(), mark.get_marker()) == PROPOSER_STYLES[kind] and kind in labels(axes)
        _, height = mark.get_transform().transform(np.asarray(mark.get_xydata(), float)[0])
        assert height == pytest.approx(axes.bbox.y1 if sign > 0 else axes.bbox.y0) and not mark.get_clip_on()
    assert f"3 worse ones {'above' if sign > 0 else 'below'}" in axes.get_xlabel() and "_outside" not in labels(axes)


def test_values_without_end_are_not_drawn() -> None:
    values = (float("inf"), -1e308, 1e308, 1.0, float("-inf"), 2.0)
    trials = tuple(SearchTrial(n, value, "policy", None, {}) for n, value in enumerate(values))
    axes = plots.plot_progress(SearchRecord("s", "value", True, trials))
    axes.figure.draw_without_rendering()  # type: ignore[union-attr]
    assert line(axes, "policy") == ([3, 5], [1.0, 2.0]) and "best so far" not in labels(axes)


def test_tasks_are_points_at_their_places() -> None:
    axes = plots.plot_tasks(TASKS, "three")
    found = [(each.get_xdata(), each.get_ydata()) for each in axes.get_lines()]
    assert [(x[0], y[0]) for x, y in found] == list(TASKS.places)  # type: ignore[index]
    assert [text.get_text() for text in axes.texts] == list(TASKS.names)
    assert axes.get_xlabel() == "first component (80 % of the variance)"
    assert len({to_hex(each.get_color()) for each in axes.get_lines()}) == 2


def test_near_tasks_lie_near_on_a_scale_of_the_length_of_their_embeddings() -> None:
    places = ((-0.02, 0.0), (0.03, 0.0))
    for size, least in ((0.0, 0.05), (2.7, 2.7)):
        axes = plots.plot_tasks(EmbeddingMap(("a", "b"), places, (1.0, 0.0), size))
        axes.figure.draw_without_rendering()  # type: ignore[union-attr]
        low, high = axes.get_xlim()
        assert least <= high - low <= 2 * least and low < -0.02 < 0.03 < high


NEAR = np.random.default_rng(0).normal(size=(12, 2))
MAPS = {
    "three on nearly one point": np.array([[0.0, 0.0], [0.01, 0.005], [0.0, 0.012], [3.0, 1.0]]),
    "twelve": NEAR,
    "eleven on nearly one point": np.concatenate([0.02 * NEAR[:11], [[3.0, 1.0]]]),
    "a line": np.array([[-1.0, 0.0], [-0.99, 0.0], [-0.98, 0.0], [0.5, 0.0], [0.6, 0.0], [1.8, 0.0]]),
}


@pytest.mark.parametrize("places", MAPS.values(), ids=MAPS)
def test_no_name_of_a_task_lies_on_another_one(places: np.ndarray) -> None:
    names = tuple(f"housing {number}{' and more' * (number % 3)}" for number in range(len(places)))
    tasks = EmbeddingMap(names, tuple((float(x), float(y)) for x, y in places), (0.7, 0.3 * float(places[:, 1].any())))
    axes = plots.plot_tasks(tasks, names[1])
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in axes.texts]  # without the lines to the points
    middles = [(box.y0 + box.y1) / 2 for box in boxes]
    heights = [(box.y1 - box.y0) / 2 for box in boxes]
    for first in range(len(boxes)):
        for second in range(first):
            beside = boxes[first].x1 <= boxes[second].x0 or boxes[second].x1 <= boxes[first].x0
            apart = abs(middles[first] - middles[second]) >= 0.8 * (heights[first] + heights[second])
            assert beside or apart, (names[first], names[second])
    again = plots.plot_tasks(tasks, names[1])
    assert [text.xyann for text in again.texts] == [text.xyann for text in axes.texts]  # type: ignore[attr-defined]


def test_a_name_that_is_moved_has_a_line_to_its_point_and_keeps_the_order() -> None:
    points = [(0.0, 0.0), (0.0, 0.001), (0.0, -0.001), (1.0, 0.5)]
    middle, upper, lower, alone = label_places(points, ["a", "b", "c", "d"], (300, 200), size=9, away=6)
    assert lower.up < middle.up < upper.up and lower.moved and upper.moved
    assert alone.up == 0 and not alone.moved
    (left,) = label_places([(0.0, 0.0)], ["a name that is longer than half of the frame"], (300, 200), size=9, away=6)
    assert left.up == 0 and label_places([], [], (300, 200), size=9, away=6) == ()


def test_of_many_tasks_the_marked_one_alone_has_its_name() -> None:
    names = tuple(map(str, range(30)))
    tasks = EmbeddingMap(names, tuple((float(each), float(each % 7)) for each in range(30)), (0.7, 0.3))
    assert [text.get_text() for text in plots.plot_tasks(tasks, "7").texts] == ["7"]


def test_spaces_of_equal_embeddings_are_one_point_and_a_line_has_no_second_axis() -> None:
    spaces = EmbeddingMap(("a", "b", "c"), ((1.0, 0.0), (-2.0, 0.0), (1.0, 0.0)), (1.0, 0.0))
    axes = plots.plot_spaces(spaces, "c")
    assert [text.get_text() for text in axes.texts] == ["a, c", "b"]
    assert [to_hex(each.get_color()) for each in axes.get_lines()] == [RED, BLUE]
    assert axes.get_title(loc="left") == "the spaces lie on a line: only the distances along it count"
    assert axes.get_xlabel() == "first component (100 % of the variance)"
    assert axes.get_ylabel() == "" and not len(axes.get_yticks()) and len(axes.get_xticks())


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ((), "no tasks"),
        (("a",), "one task: there is no distance to show"),
        (("a", "b"), "all tasks have the same embedding"),
    ],
)
def test_tasks_without_distances_say_so(names: tuple[str, ...], words: str) -> None:
    axes = plots.plot_tasks(EmbeddingMap(names, ((0.0, 0.0),) * len(names), (0.0, 0.0)))
    assert axes.get_title(loc="left") == words and not len(axes.get_xticks()) and not len(axes.get_yticks())
    assert [text.get_text() for text in axes.texts] == ([", ".join(names)] if names else [])


def test_curves_are_means_of_the_repetitions() -> None:
    lower = plots.plot_curves({"tpe": ([1, 5], [[None, 0.5], [0.5, 1.0]])}, lower_is_better=True)
    np.testing.assert_array_equal(lower.lines[0].get_ydata(), [np.nan, 0.75])
    assert lower.get_ylabel() == "best value so far (lower is better)"
    axes = plots.plot_curves({"tpe": ([1, 5], [[0.0, 0.5], [0.5, 1.0]])})
    assert line(axes, "tpe") == ([1, 5], [0.25, 0.75])


def test_attention_is_a_row_for_each_decision_in_the_mean_over_the_heads() -> None:
    axes = plots.plot_attention(attention_of(3, layers=2))
    (picture,) = axes.collections
    expected = [[50.0, 50.0, np.nan, np.nan], [50.0, 0.0, 50.0, np.nan], [50.0, 0.0, 0.0, 50.0]]
    np.testing.assert_array_equal(np.ma.filled(picture.get_array(), np.nan), expected)  # type: ignore[arg-type]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["d0", "d1", "d2"]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["start", "space=$s", "d0=1", "d1=1"]
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written == {(x, y): f"{expected[y][x]:.0f}" for y in range(3) for x in range(y + 2)}
    assert axes.get_title(loc="left") == "attention in %, each row sums to 100, layer 1 of 2"
    (second,) = plots.plot_attention(attention_of(3, layers=2), layer=1).collections
    assert np.ma.filled(second.get_array(), np.nan)[2].tolist() == [0.0, 0.0, 0.0, 100.0]  # type: ignore[arg-type]


def test_attention_of_many_decisions_has_a_scale_in_place_of_numbers() -> None:
    axes = plots.plot_attention(attention_of(60))
    assert not axes.texts and len(axes.get_yticklabels()) == 20
    assert axes.figure.axes[-1].get_ylim() == (0.0, 100.0)


def test_attention_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"as in agent\.beliefs\(attention=agent\.best\(\)\.config\)"):
        plots.plot_attention(EMPTY.attention)
    for layer in (2, -1, True):
        with pytest.raises(ValueError, match=f"layer must be a whole number from 0 to 1, not {layer}"):
            plots.plot_attention(attention_of(3, layers=2), layer)


@pytest.mark.parametrize(
    "draw",
    [
        lambda axes: plots.plot_values(RATE, axes),
        lambda axes: plots.plot_importances(EMPTY, axes),
        lambda axes: plots.plot_likeness(EMPTY, axes),
        lambda axes: plots.plot_expected_best(EMPTY, axes),
        lambda axes: plots.plot_progress(SearchRecord("s", "value", True, ()), axes=axes),
        lambda axes: plots.plot_tasks(EMPTY.tasks, axes=axes),
        lambda axes: plots.plot_spaces(EMPTY.spaces, axes=axes),
        lambda axes: plots.plot_curves({}, axes=axes),
        lambda axes: plots.plot_attention(attention_of(1), axes=axes),
    ],
)
def test_figures_take_your_axes_and_nothing_to_show(draw: Callable[[Axes], Axes]) -> None:
    figure = Figure()
    axes = figure.subplots()
    assert draw(axes) is axes
    figure.draw_without_rendering()


def test_the_proposers_differ_in_colour_and_in_mark() -> None:
    colours, marks = zip(*PROPOSER_STYLES.values(), strict=True)
    assert len(set(colours)) == len(set(marks)) == len(PROPOSER_STYLES)


def test_old_knowledge_is_compared_with_the_first_trials_of_a_new_start() -> None:
    points = [(9.0, "warm start from a"), (8.0, "policy"), (5.0, "new policy"), (1.0, "policy"), (None, "new policy")]
    points += [(2.0, "surrogate")] * 5 + [(0.1, "new policy"), (7.0, "warm start from b")]
    trials = tuple(SearchTrial(n, value, who, None, {}) for n, (value, who) in enumerate(points))
    lower, higher = (old_against_new(SearchRecord("s", "value", its, trials)) for its in (False, True))
    assert lower == (2, 1, 2, 3, 0) and higher == (2, 1, 2, 6, 0)  # a trial without a value is worse
    assert (lower.pairs, lower.share, lower.words) == (6, 0.5, "better in 3 of 6 pairs")
    same = tuple(SearchTrial(trial.number, 5.0 + (not trial.number), trial.proposer, None, {}) for trial in trials)
    level = old_against_new(SearchRecord("s", "value", True, same))
    assert level == (2, 1, 2, 2, 4) and (level.share, level.words) == (4 / 6, "better in 2 of 6 pairs, equal in 4")
    failed = tuple(SearchTrial(trial.number, None, trial.proposer, None, {}) for trial in trials)
    level = old_against_new(SearchRecord("s", "value", True, failed))
    assert level is not None and level.share == 0.5
    alone = old_against_new(SearchRecord("s", "value", False, trials[:1]))
    assert alone is not None and alone.pairs == 0
    assert old_against_new(SearchRecord("s", "value", False, trials[3:4])) is None


def test_a_gain_is_what_a_proposer_moved_the_best_by() -> None:
    found = {each.proposer: each[1:] for each in gains(RECORD)}
    assert found == {
        "warm start": (1, 1, 0.0, 3.0),
        "policy": (2, 1, 1.0, 2.0),
        OTHERS: (1, 0, 0.0, 2.5),
        "surrogate": (1, 1, 1.5, 0.5),
    }
    assert [trial.number for trial in RECORD.best_first] == [4, 1, 3, 0]
    assert first_to_reach(RECORD, 2.0) == 1 and first_to_reach(RECORD, 0.1) is None
    assert first_to_reach(RECORD, 3.0) == 0
