"""The interactive figures of a study show the numbers of those by Matplotlib, in Optuna's style."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from matplotlib.colors import to_hex
from optuna.trial import create_trial

from believed import BELIEFS, EMPTY, RANKED, RATE, attention_of
from searchers import FAST
from transfernas import Agent, plots
from transfernas.insight.beliefs import Beliefs
from transfernas.insight.number_ranges import NumberRange
from transfernas.insight.plane import EmbeddingMap
from transfernas.integrations.optuna import ATTRIBUTE, TransferSampler
from transfernas.integrations.optuna.record import importances_of_study, record_of_study

REASON = "plotly is not installed; it comes with the extra [plots]"
pytest.importorskip("plotly", reason=REASON)

from transfernas.integrations.optuna import visualization  # noqa: E402

pytestmark = pytest.mark.usefixtures("quiet")
FLAT = optuna.distributions.FloatDistribution(0.0, 10.0)
KINDS = optuna.distributions.CategoricalDistribution(["<b>a</b>", "b"])
VALUES_OF_FIRST = {"learning $rate": "0.01", "act": "relu", "units": "16–32", "kind": "c"}


@pytest.fixture
def study() -> optuna.Study:
    """Twelve trials of another sampler, of which most have a note about their proposer."""
    study = optuna.create_study(study_name="<i>digits</i>", sampler=optuna.samplers.RandomSampler(seed=0))
    for number in range(12):
        noted = {"name": ("warm start from <b>", "policy", "surrogate")[number % 3], "trust": 0.5}
        params, distributions = (
            {"x": float(number % 7), "kind": ("<b>a</b>", "b")[number % 2]},
            {"x": FLAT, "kind": KINDS},
        )
        value = 1e6 if number == 0 else abs(number % 7 - 3.0)
        attributes = {} if number == 5 else {ATTRIBUTE: noted}
        trial = create_trial(params=params, distributions=distributions, value=value, user_attrs=attributes)
        study.add_trial(trial)
    return study


@pytest.fixture
def believed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Beliefs]:
    """The beliefs that every study has, to be changed by a test."""
    found = {"beliefs": BELIEFS}
    monkeypatch.setattr(visualization, "_beliefs", lambda *_: found["beliefs"])
    return found


def traces(figure: Any) -> dict[str, Any]:
    return {trace.name: trace for trace in figure.data}


def test_the_history_has_each_trial_by_its_proposer_and_the_best_so_far(study: optuna.Study) -> None:
    figure, axes = visualization.plot_optimization_history(study), plots.plot_progress(record_of_study(study))
    drawn = {str(line.get_label()): line for line in axes.get_lines()}
    drawn["Best Value"] = drawn.pop("best so far")
    beyond, edge = drawn.pop("_outside"), next(trace for trace in figure.data if trace.name is None)
    assert list(edge.x) == np.asarray(beyond.get_xdata()).tolist() == [0] and edge.yaxis == "y2"
    assert (edge.marker.color, edge.marker.symbol) == (to_hex(beyond.get_color()), "triangle-up-open")
    assert list(edge.y) == [1] and edge.text[0].startswith("Trial 0<br>Value: 1e+06") and not edge.showlegend
    assert figure.layout.yaxis2.range[1] < 1.1 and figure.layout.yaxis2.overlaying == "y"
    figure.data = [trace for trace in figure.data if trace.name is not None]
    assert list(traces(figure)) == ["policy", "warm start", "surrogate", "others", "Best Value"] == list(drawn)
    for name, trace in traces(figure).items():
        assert list(trace.x) == np.asarray(drawn[name].get_xdata()).tolist()
        assert list(trace.y) == np.asarray(drawn[name].get_ydata()).tolist()
        assert (trace.marker.color or trace.line.color) == to_hex(drawn[name].get_color())
    assert len({trace.marker.symbol for trace in figure.data[:4]}) == 4
    assert list(traces(figure)["others"].x) == [5] and figure.layout.yaxis.range == pytest.approx(axes.get_ylim())
    assert figure.layout.title.text == "Optimization History Plot"
    assert figure.layout.xaxis.title.text == "Trial (hollow: 1 worse one above)"
    assert figure.layout.yaxis.title.text == "Objective Value"
    assert (
        traces(figure)["warm start"]
        .text[1]
        .startswith("Trial 3<br>Value: 0<br>Proposer: warm start from &lt;b&gt;<br>  x: 3<br>  kind: b")
    )
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        study.set_metric_names(["loss"])
    figure = visualization.plot_optimization_history(study, target_name="Error")
    assert figure.layout.yaxis.title.text == "loss"


def test_importances_are_shares_the_largest_at_the_top(study: optuna.Study, believed: dict[str, Beliefs]) -> None:
    of_trials = visualization.plot_param_importances(study)
    expected = {name: each.share for name, each in importances_of_study(study).items()}
    bar = of_trials.data[0]
    assert dict(zip(bar.hovertext, bar.x, strict=True)) == expected and list(bar.x) == sorted(expected.values())
    figure = visualization.plot_param_importances(study, agent="agent")
    assert list(figure.data[0].x) == [0.25, 0.75] and list(figure.data[0].text) == ["0.25", "0.75"]
    assert figure.layout.yaxis.ticktext == ("act", "learning $rate")
    assert figure.layout.xaxis.title.text == "Share of all effects on the order of this problem's trials"
    figure = visualization.plot_param_importances(study, params=["act"], agent="agent")
    assert list(figure.data[0].x) == [0.25]
    with pytest.raises(ValueError, match=r"has no parameter 'rate'; it can show act, learning \$rate"):
        visualization.plot_param_importances(study, params=["rate"], agent="agent")


def test_values_are_bars_now_and_diamonds_before(study: optuna.Study, believed: dict[str, Beliefs]) -> None:
    figure = visualization.plot_values(study)
    rate, before, chance, act, act_chance = figure.data
    assert list(rate.y) == [0.25, 0.5, 0.25] and list(rate.hovertext) == ["0.001", "0.01", "0.1"]
    assert list(before.y) == [0.75, 0.0, 0.125] and before.name == "Best 8 trials of each of 2 other problems"
    assert list(chance.y) == pytest.approx([1 / 3, 1 / 3]) and list(act_chance.y) == [0.5, 0.5]
    assert list(act.y) == [1.0, 0.0] and act.xaxis == "x2" and not act.showlegend and rate.showlegend
    assert figure.layout.xaxis.title.text == "learning $rate" and figure.layout.xaxis2.ticktext == ("relu", "tanh")
    whole = replace(RATE, values=(0, 2, 4), ranges=(NumberRange(1, 1), NumberRange(2, 3), NumberRange(4, 5)))
    believed["beliefs"] = replace(BELIEFS, parameters=(whole, BELIEFS["act"]))
    figure = visualization.plot_values(study)
    assert figure.data[0].hovertext == ("1", "2 to 3", "4 to 5") and figure.layout.xaxis.ticktext == ("1", "2–3", "4–5")
    (act, _) = visualization.plot_values(study, ["act"]).data
    assert list(act.y) == [1.0, 0.0] and act.showlegend
    with pytest.raises(TypeError, match=r"a list of names, as in \['act'\], not 'act'"):
        visualization.plot_values(study, "act")


def test_each_mark_of_the_values_is_in_the_legend_once(study: optuna.Study, believed: dict[str, Beliefs]) -> None:
    believed["beliefs"] = replace(BELIEFS, parameters=(BELIEFS["act"], RATE))  # the first was in no other problem
    named = [trace.name for trace in visualization.plot_values(study).data if trace.showlegend]
    assert named == ["Now", "Chance", "Best 8 trials of each of 2 other problems"]
    fewer = replace(RATE, name="fewer", sources=RATE.sources[:1])
    believed["beliefs"] = replace(BELIEFS, parameters=(RATE, fewer, BELIEFS["act"]))
    named = [trace.name for trace in visualization.plot_values(study).data if trace.showlegend]
    assert named == ["Now", "Best 8 trials of each other problem", "Chance"]


def test_no_line_hides_a_trial(study: optuna.Study) -> None:
    order = {name: trace.zorder or 0 for name, trace in traces(visualization.plot_optimization_history(study)).items()}
    assert order.pop("Best Value") < min(order.values())
    axes = plots.plot_progress(record_of_study(study))
    lines = {str(line.get_label()): line.get_zorder() for line in axes.get_lines()}
    assert lines.pop("best so far") < min(lines.values())


def test_likeness_has_a_point_for_each_number(study: optuna.Study, believed: dict[str, Beliefs]) -> None:
    figure = visualization.plot_likeness(study)
    found = {name: (list(trace.x), list(trace.y)) for name, trace in traces(figure).items()}
    assert found == {"What the policy learned": ([-0.25, 0.9], [0, 1]), "Which values were good": ([0.5], [1])}
    assert figure.layout.yaxis.ticktext == ("two", "one")


def test_a_likeness_that_is_near_its_start_is_open(study: optuna.Study, believed: dict[str, Beliefs]) -> None:
    early = tuple(replace(each, too_early=True) for each in BELIEFS.likeness)
    believed["beliefs"] = replace(BELIEFS, likeness=early)
    found = traces(visualization.plot_likeness(study))
    assert list(found["Learned: too early to tell"].x) == [-0.25, 0.9] and not len(found["What the policy learned"].x)
    assert found["Learned: too early to tell"].marker.symbol == "circle-open"


def test_expected_configurations_have_the_marks_of_the_other_figure(
    study: optuna.Study, believed: dict[str, Beliefs]
) -> None:
    believed["beliefs"] = RANKED
    figure, axes = visualization.plot_expected_best(study), plots.plot_expected_best(RANKED)
    drawn = {str(line.get_label()): line for line in axes.get_lines()}
    assert list(traces(figure)) == ["1st", "2nd", "3rd"] == list(drawn)
    for name, trace in traces(figure).items():
        assert list(trace.x) == np.asarray(drawn[name].get_xdata()).tolist()
        assert list(trace.y) == np.asarray(drawn[name].get_ydata()).tolist()
        assert trace.marker.color == to_hex(drawn[name].get_color())
    assert len({trace.marker.symbol for trace in figure.data}) == 3
    assert figure.data[1].text == ("2nd, learning $rate: 0.1", "2nd, units: 16–32", "2nd, kind: c")
    names = [f'{name}<br><span style="color: #0072b2">1st: {value}</span>' for name, value in VALUES_OF_FIRST.items()]
    assert list(figure.layout.yaxis.ticktext) == names and figure.layout.yaxis.range[0] > figure.layout.yaxis.range[1]
    labels = [(each.x, each.text, each.xanchor) for each in figure.layout.annotations]
    written = [(text.get_position()[0], text.get_text(), text.get_horizontalalignment()) for text in axes.texts]
    assert labels == [each for each in written if each[0] <= 1]  # the others are the values of the first one
    assert "The 3 configurations that the policy ranks highest" in figure.layout.title.text
    assert figure.layout.xaxis.title.text.endswith("<br>No mark: the configuration lacks the parameter")


def test_names_of_expected_configurations_are_text(study: optuna.Study, believed: dict[str, Beliefs]) -> None:
    parameter = replace(RATE, name="<b>kind", values=("<i>", "b", "c"))
    config = replace(RANKED.expected_best[0], config={"<b>kind": "<i>"})
    believed["beliefs"] = replace(RANKED, parameters=(parameter,), expected_best=(config,))
    figure = visualization.plot_expected_best(study)
    (name,), written = figure.layout.yaxis.ticktext, figure.layout.annotations[0].text
    assert figure.data[0].text == ("1st, &lt;b&gt;kind: &lt;i&gt;",) and written == "&lt;i&gt;"
    assert name.startswith("&lt;b&gt;kind<br>") and name.endswith("1st: &lt;i&gt;</span>")


def test_a_map_has_the_least_range_of_the_other_figure(study: optuna.Study, believed: dict[str, Beliefs]) -> None:
    tasks = EmbeddingMap(("a", "b"), ((-0.02, 0.0), (0.04, 0.0)), (1.0, 0.0), 2.0)
    believed["beliefs"] = replace(BELIEFS, tasks=tasks)
    assert visualization.plot_tasks(study).layout.xaxis.range == pytest.approx((-1.49, 1.51))


def test_tasks_are_points_at_their_places(study: optuna.Study, believed: dict[str, Beliefs]) -> None:
    figure = visualization.plot_tasks(study)
    (points,) = figure.data
    assert list(zip(points.x, points.y, strict=True)) == list(BELIEFS.tasks.places)
    assert points.text == BELIEFS.tasks.names and points.marker.symbol == ("circle", "circle", "diamond")
    assert figure.layout.xaxis.title.text == "First component (80 % of the variance)"
    assert [each.text for each in figure.layout.annotations] == list(BELIEFS.tasks.names)
    assert figure.layout.yaxis.scaleanchor == "x" and figure.layout.xaxis.range == (-1.75, 2.75)


def test_names_of_tasks_on_nearly_one_point_are_moved_apart(study: optuna.Study, believed: dict[str, Beliefs]) -> None:
    places = ((0.0, 0.0), (0.01, 0.005), (0.0, 0.012), (3.0, 1.0))
    tasks = EmbeddingMap(("<i>one</i>", "two", "three", "four"), places, (0.8, 0.2))
    believed["beliefs"] = replace(BELIEFS, tasks=tasks)
    names = visualization.plot_tasks(study).layout.annotations
    heights = {each.text: -each.ay if each.showarrow else each.yshift for each in names}
    assert heights["three"] >= heights["two"] + 14 and heights["two"] >= heights["&lt;i&gt;one&lt;/i&gt;"] + 14
    assert [each.text for each in names if each.showarrow] == ["&lt;i&gt;one&lt;/i&gt;", "three"]


def test_spaces_are_points_of_the_other_figure(study: optuna.Study, believed: dict[str, Beliefs]) -> None:
    figure, axes = visualization.plot_spaces(study), plots.plot_spaces(BELIEFS.spaces, BELIEFS.space)
    (points,) = figure.data
    drawn = [tuple(np.concatenate([line.get_xdata(), line.get_ydata()]).tolist()) for line in axes.get_lines()]
    assert list(zip(points.x, points.y, strict=True)) == drawn == list(BELIEFS.spaces.places)
    assert points.text == ("s", "wide") and points.marker.symbol == ("diamond", "circle")
    assert "only the distances along it count" in figure.layout.title.text
    assert figure.layout.xaxis.title.text == "First component (100 % of the variance)"
    assert not figure.layout.yaxis.showticklabels and figure.layout.xaxis.showticklabels


def test_attention_has_the_numbers_of_the_other_figure(study: optuna.Study, believed: dict[str, Beliefs]) -> None:
    attention = attention_of(3, layers=2)
    believed["beliefs"] = Beliefs(
        "s", "t", 0, "policy", 1, (), "nothing", (), EMPTY.tasks, EMPTY.spaces, (), (), attention
    )
    for layer in (0, 1):
        (heat,) = visualization.plot_attention(study, layer=layer).data
        (picture,) = plots.plot_attention(attention, layer).collections
        expected = np.ma.filled(picture.get_array(), np.nan)  # type: ignore[arg-type]
        np.testing.assert_array_equal(np.array(heat.z, np.float64), expected)
    figure = visualization.plot_attention(study)
    assert figure.layout.title.text == "Attention Between Decisions, Layer 1 of 2"
    assert figure.layout.xaxis.ticktext == ("start", "space=$s", "d0=1", "d1=1")
    assert figure.layout.yaxis.ticktext == ("d0", "d1", "d2") and figure.layout.yaxis.autorange == "reversed"


def test_nothing_to_show_is_a_figure_without_marks(believed: dict[str, Beliefs]) -> None:
    believed["beliefs"] = EMPTY
    study = optuna.create_study()
    for figure in (
        visualization.plot_optimization_history(study),
        visualization.plot_param_importances(study),
        visualization.plot_values(study),
        visualization.plot_likeness(study),
        visualization.plot_expected_best(study),
        visualization.plot_tasks(study),
        visualization.plot_spaces(study),
    ):
        assert not any(len(trace.x) for trace in figure.data) and figure.to_json()


def test_a_study_without_an_agent_says_how_to_give_one(study: optuna.Study) -> None:
    with pytest.raises(ValueError, match=r"is a RandomSampler, which has no agent; give one, as in agent='agent"):
        visualization.plot_values(study)
    two = optuna.create_study(directions=["minimize", "minimize"])
    with pytest.raises(ValueError, match="has 2 objectives"):
        visualization.plot_optimization_history(two)
    with pytest.raises(TypeError, match="agent is an Agent, the path of its file, or None, not 3"):
        visualization.plot_values(study, agent=3)  # type: ignore[arg-type]


@pytest.mark.thorough
def test_the_beliefs_are_those_of_the_samplers_agent_or_of_a_given_one(tmp_path: Path) -> None:
    def objective(trial: optuna.Trial) -> float:
        kind = trial.suggest_categorical("kind", ["a", "b"])
        return trial.suggest_float("rate", 1e-3, 1.0, log=True) + (kind == "a")

    sampler = TransferSampler(seed=0, config=FAST, task="mine")
    study = optuna.create_study(study_name="digits", sampler=sampler)
    study.optimize(objective, n_trials=12)
    agent, before = sampler.agent, sampler.agent.provenance
    beliefs = agent.beliefs()
    figure = visualization.plot_values(study, ["kind"])
    assert tuple(figure.data[0].y) == beliefs["kind"].probabilities
    kinds_of = [each.config["kind"] for each in beliefs.expected_best]
    marks = [trace.text for trace in visualization.plot_expected_best(study).data]
    assert [texts[0] for texts in marks] == [
        f"{rank}, kind: {kind}" for rank, kind in zip(("1st", "2nd", "3rd", "4th", "5th"), kinds_of, strict=True)
    ]
    assert all(len(texts) == 2 and ", rate: " in texts[1] for texts in marks)
    figure = visualization.plot_param_importances(study)
    shares = {name: its.share for name, its in importances_of_study(study).items()}
    assert shares == {each.name: each.importance for each in beliefs.parameters}
    assert dict(zip(figure.data[0].hovertext, figure.data[0].x, strict=True)) == shares
    best, kinds = study.best_trial, agent.beliefs(attention=agent.best().config).attention  # type: ignore[union-attr]
    rows = np.array(visualization.plot_attention(study).data[0].z, np.float64)
    np.testing.assert_allclose(np.nansum(rows, axis=1), 100, atol=1e-3)
    assert kinds is not None and rows.shape == (2, 3) and list(best.params) == list(kinds.decisions)
    assert sampler.agent.provenance == before

    other = optuna.create_study(study_name="faces", sampler=optuna.samplers.RandomSampler(seed=1))
    other.optimize(objective, n_trials=9)
    path = sampler.save(tmp_path / "agent.safetensors")
    for given in (path, Agent.load(path)):
        assert tuple(visualization.plot_likeness(other, agent=given).layout.yaxis.ticktext) == ("mine",)
    figure = visualization.plot_tasks(other, agent=path)
    assert figure.data[0].text == ("mine, faces",)  # a new task starts at the mean of the others
    assert figure.layout.title.text.endswith("<sub>All tasks have the same embedding</sub>")
