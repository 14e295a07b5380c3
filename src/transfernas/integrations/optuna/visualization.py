"""Interactive figures of a study and of the beliefs of its agent, in the style of `optuna.visualization`.

A function takes a study and returns a `plotly.graph_objects.Figure`. The figures have the numbers of those of
`transfernas.plots`. The agent is that of the study's `TransferSampler`, unless you give another one.

Example:
    ```python
    from transfernas.integrations.optuna import visualization

    visualization.plot_optimization_history(study).write_html("history.html")  # or .show()
    ```
"""

import os
from collections.abc import Sequence

from ...extras import needed

with needed("optuna", __name__):
    import optuna
    from optuna.trial import FrozenTrial

with needed("plots", __name__):
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

from ...agent import Agent
from ...insight.beliefs import Beliefs
from ...insight.expected_rows import expected_rows
from ...insight.figure_data import (
    BLUE,
    BY_CHANCE,
    EARLY,
    GREY,
    ORANGE,
    PROPOSER_STYLES,
    attention_table,
    importance_shares,
    label,
    likeness_points,
    map_points,
    search_curve,
    value_shares,
)
from ...insight.progress import SearchTrial
from ..arguments import as_agent
from .plotly_parts import SYMBOLS, add_edge_marks, add_values, as_text, map_figure, new_figure, rows_figure
from .record import beliefs_of_study, importances_of_study, record_of_study
from .sampler import TransferSampler

AgentOrFile = Agent | str | os.PathLike[str]

_LEAST_WIDTH, _MOST_WIDTH = 8, 20  # values of a parameter, to which the width of its plot is proportional
_WIDE = 300  # pixels of a figure of a parameter, of which more than three stand side by side


def plot_optimization_history(study: optuna.Study, *, target_name: str = "Objective Value") -> "go.Figure":
    """Plots the value of each trial by its proposer, and the best value so far.

    The study may come from any sampler: its trials are those of `others` then. The axis leaves out the worst values
    where they would hide the others, until you zoom out; open marks at the edge stand for their trials.

    Args:
        study: A study with one objective.
        target_name: The name of the values; the study's metric name has precedence.

    Returns:
        The figure.

    Raises:
        ValueError: The study has several objectives.

    Example:
        ```python
        plot_optimization_history(study).write_html("figure.html")
        ```
    """
    record = record_of_study(study)
    found = search_curve(record)
    figure = new_figure(
        "Optimization History Plot", f"Trial{found.outside_words}", as_text(_target(study, target_name))
    )
    for kind, trials in found.trials.items():
        colour, marker = PROPOSER_STYLES.get(kind, (GREY, "x"))
        open_symbol = f"{SYMBOLS[marker]}-open"
        figure.add_scatter(
            x=[trial.number for trial in trials],
            y=[trial.value for trial in trials],
            mode="markers",
            marker={"color": colour, "symbol": SYMBOLS[marker], "size": 8},
            name=as_text(kind),
            legendgroup=kind,
            zorder=1,  # above the line of the best value, which would hide the trials on it
            text=[_words(trial) for trial in trials],
            hovertemplate="%{text}<extra></extra>",
        )
        if beyond := found.beyond(kind):
            marks = [(trial.number, _words(trial)) for trial in beyond]
            add_edge_marks(figure, 0 if record.maximise else 1, marks, {"color": colour, "symbol": open_symbol}, kind)
    numbers, values = [number for number, _ in found.best], [value for _, value in found.best]
    line = {"shape": "hv", "color": BLUE}
    figure.add_scatter(x=numbers, y=values, mode="lines", line=line, name="Best Value")
    if found.limits is not None:
        figure.update_layout(yaxis={"range": list(found.limits)}, legend={"tracegroupgap": 0})
    return figure


def plot_param_importances(
    study: optuna.Study, *, params: Sequence[str] | None = None, agent: AgentOrFile | None = None
) -> "go.Figure":
    """Plots which parameters tell good trials from bad, the most telling at the top.

    The measure is the effect size of the Kruskal-Wallis test. An agent that knows fewer than eight trials of the study
    takes those of its other problems. Without an agent, the trials are those of the study.

    Args:
        study: A study with one objective.
        params: The names of parameters to show; by default all, at most twelve.
        agent: The agent, or its file; by default that of the study's `TransferSampler`, if it has one.

    Returns:
        The figure. Bars are shares of all effects, in [0, 1]; they are grey if the effects are too weak to tell.

    Raises:
        ValueError: The study has several objectives, or no parameter of a name.

    Example:
        ```python
        plot_param_importances(study, params=["learning rate"]).write_html("figure.html")
        ```
    """
    if agent is None and not isinstance(study.sampler, TransferSampler):
        found = importance_shares(importances_of_study(study))
    else:
        found = importance_shares(_beliefs(study, agent))
    if params is not None:
        known = dict(zip(found.names, found.shares, strict=True))
        kept = sorted(_checked(params, found.names), key=lambda name: known[name])
        found = found._replace(names=tuple(kept), shares=tuple(known[name] for name in kept))
    title = "Hyperparameter Importances" + ("<br><sub>Too weak to tell</sub>" if found.weak else "")
    figure = new_figure(title, f"Share of all effects on the order of {found.trials}", "")
    rows, names = list(range(len(found.names))), [as_text(label(name)) for name in found.names]
    figure.add_bar(
        x=list(found.shares),
        y=rows,
        orientation="h",
        marker={"color": GREY if found.weak else BLUE},
        text=[f"{share:.2f}" if share >= 0.01 else "<0.01" for share in found.shares],
        textposition="outside",
        cliponaxis=False,
        hovertext=names,
        hovertemplate="%{hovertext}: %{x:.3f}<extra></extra>",
    )
    figure.update_yaxes(title="Hyperparameter", tickvals=rows, ticktext=names)
    return figure


def plot_values(
    study: optuna.Study, params: Sequence[str] | None = None, *, agent: AgentOrFile | None = None
) -> "go.Figure":
    """Plots which values of each parameter the agent would draw now, and which were good in its other problems.

    Args:
        study: A study with one objective.
        params: The names of parameters to show; by default all.
        agent: The agent, or its file; by default that of the study's `TransferSampler`.

    Returns:
        The figure, with a plot for each parameter. Bars are the probabilities now, diamonds the shares of the best
        trials of the other problems, in the mean, and the line is chance.

    Raises:
        ValueError: The study has several objectives or no parameter of a name; or no agent is known.

    Example:
        ```python
        plot_values(study, ["learning rate"]).write_html("figure.html")
        ```
    """
    beliefs = _beliefs(study, agent)
    names = [each.name for each in beliefs.parameters]
    shown = [beliefs[name] for name in (names if params is None else _checked(params, names))]
    widths = [min(max(len(each.values), _LEAST_WIDTH), _MOST_WIDTH) for each in shown] or [1]
    figure = make_subplots(rows=1, cols=len(widths), shared_yaxes=True, column_widths=widths)
    figure.update_layout(title="Values, Now and Before", legend={"orientation": "h", "yanchor": "bottom", "y": 1.02})
    figure.update_yaxes(title_text="Probability", rangemode="tozero", row=1, col=1)
    found, named = [value_shares(each) for each in shown], set[str]()
    words = {each.before_label for each in found if each.before is not None}
    before = words.pop() if len(words) == 1 else "best 8 trials of each other problem"  # one name for one mark
    for column, (parameter, its) in enumerate(zip(shown, found, strict=True), start=1):
        add_values(figure, label(parameter.name, 40), its._replace(before_label=before), column)
    for trace in figure.data:  # the first parameter may lack other problems, which a later one has
        trace.update(legendgroup=trace.name, showlegend=trace.name not in named)
        named.add(trace.name)
    if len(shown) > 3:
        figure.update_layout(width=_WIDE * len(shown))
    return figure


def plot_likeness(study: optuna.Study, *, agent: AgentOrFile | None = None) -> "go.Figure":
    """Plots how like the agent's other problems are to the study, the most like at the top.

    Args:
        study: A study with one objective.
        agent: The agent, or its file; by default that of the study's `TransferSampler`.

    Returns:
        The figure. Circles are cosines of the tasks' embeddings, hollow ones where these say nothing yet; diamonds are
        rank correlations of the values that both problems tried, hollow ones where chance alone may give them.

    Raises:
        ValueError: The study has several objectives, or no agent is known.

    Example:
        ```python
        plot_likeness(study).write_html("figure.html")
        ```
    """
    tasks, cosine, agreement, early, by_chance = likeness_points(_beliefs(study, agent))
    figure = new_figure("Likeness of Tasks", "Likeness: -1 opposite, 0 unrelated, 1 alike", "Task")
    for points, name, colour, symbol in (
        (cosine, "What the policy learned", BLUE, "circle"),
        (early, EARLY.capitalize(), BLUE, "circle-open"),
        (agreement, "Which values were good", ORANGE, "diamond"),
        (by_chance, BY_CHANCE.capitalize(), ORANGE, "diamond-open"),
    ):
        if not points and symbol.endswith("open"):
            continue
        x, y = [value for value, _ in points], [row for _, row in points]
        marker = {"color": colour, "symbol": symbol, "size": 10}
        hover = "%{x:.3f}<extra></extra>"
        figure.add_scatter(x=x, y=y, mode="markers", marker=marker, name=name, hovertemplate=hover)
    figure.update_xaxes(range=[-1.05, 1.05])
    figure.update_yaxes(tickvals=list(range(len(tasks))), ticktext=[as_text(label(task)) for task in tasks])
    return figure


def plot_expected_best(study: optuna.Study, *, agent: AgentOrFile | None = None) -> "go.Figure":
    """Plots the configurations that the policy ranks highest, at most twelve of their parameters.

    Args:
        study: A study with one objective.
        agent: The agent, or its file; by default that of the study's `TransferSampler`.

    Returns:
        The figure. Each row is a parameter with its own range, and each configuration has its mark, by its rank. The
        value of the first one stands below the name of the parameter.

    Raises:
        ValueError: The study has several objectives, or no agent is known.

    Example:
        ```python
        plot_expected_best(study).write_html("figure.html")
        ```
    """
    return rows_figure("Expected Best Configurations", expected_rows(_beliefs(study, agent)))


def plot_tasks(study: optuna.Study, *, agent: AgentOrFile | None = None) -> "go.Figure":
    """Plots the tasks of the agent as points: near one another are tasks for which the policy acts alike.

    Args:
        study: A study with one objective, whose task has another colour.
        agent: The agent, or its file; by default that of the study's `TransferSampler`.

    Returns:
        The figure, with the first two principal components of the embeddings.

    Raises:
        ValueError: The study has several objectives, or no agent is known.

    Example:
        ```python
        plot_tasks(study).write_html("figure.html")
        ```
    """
    beliefs = _beliefs(study, agent)
    return map_figure("Tasks in the Plane", map_points(beliefs.tasks, "task", beliefs.task))


def plot_spaces(study: optuna.Study, *, agent: AgentOrFile | None = None) -> "go.Figure":
    """Plots the search spaces of the agent as points, by the policy's embeddings of them.

    Args:
        study: A study with one objective, whose space has another colour.
        agent: The agent, or its file; by default that of the study's `TransferSampler`.

    Returns:
        The figure, with the first two principal components of the embeddings.

    Raises:
        ValueError: The study has several objectives, or no agent is known.

    Example:
        ```python
        plot_spaces(study).write_html("figure.html")
        ```
    """
    beliefs = _beliefs(study, agent)
    return map_figure("Spaces in the Plane", map_points(beliefs.spaces, "space", beliefs.space))


def plot_attention(
    study: optuna.Study, trial: FrozenTrial | None = None, *, layer: int = 0, agent: AgentOrFile | None = None
) -> "go.Figure":
    """Plots which earlier choices the policy attends to at each decision of a trial.

    Args:
        study: A study with one objective.
        trial: A trial of the study; by default the best one.
        layer: The number of the layer of attention, from 0.
        agent: The agent, or its file; by default that of the study's `TransferSampler`.

    Returns:
        The figure. Each row is a decision, and its weights, in percent, sum to 100.

    Raises:
        ValueError: The study has several objectives or no complete trial, no agent is known, its network has no such
            layer of attention, or the trial has a value that the agent does not know.

    Example:
        ```python
        plot_attention(study, study.best_trial).write_html("figure.html")
        ```
    """
    beliefs = _beliefs(study, agent, study.best_trial if trial is None else trial)
    assert beliefs.attention is not None
    decisions, tokens, weights = attention_table(beliefs.attention, layer)
    which = "" if len(beliefs.attention.weights) == 1 else f", Layer {layer + 1} of {len(beliefs.attention.weights)}"
    figure = new_figure(f"Attention Between Decisions{which}", "Attends to the choice", "The decision about")
    rows = [[None if share != share else 100 * share for share in row] for row in weights.tolist()]
    bar = {"title": "Attention (%)"}
    hover = "%{z:.1f} %<extra></extra>"
    figure.add_heatmap(z=rows, colorscale="Blues", zmin=0, colorbar=bar, hoverongaps=False, hovertemplate=hover)
    figure.update_xaxes(tickvals=list(range(len(tokens))), ticktext=[as_text(token) for token in tokens])
    names = [as_text(name) for name in decisions]
    figure.update_yaxes(tickvals=list(range(len(decisions))), ticktext=names, autorange="reversed")
    return figure


def _beliefs(study: optuna.Study, agent: AgentOrFile | None, trial: FrozenTrial | None = None) -> Beliefs:
    """Returns the beliefs of an agent, by default the sampler's, about a study."""
    sampler = study.sampler
    if agent is not None:
        found = as_agent(agent)
        assert found is not None
        return beliefs_of_study(study, found, trial=trial)
    if not isinstance(sampler, TransferSampler):
        raise ValueError(
            f"the sampler of study {study.study_name!r} is a {type(sampler).__name__}, which has no agent; give one, "
            f"as in agent='agent.safetensors', or load the study with sampler=TransferSampler('agent.safetensors')"
        )
    return beliefs_of_study(study, sampler.agent, sampler._task, trial)


def _checked(params: Sequence[str], known: Sequence[str]) -> list[str]:
    if isinstance(params, str):
        raise TypeError(f"params must be a list of names, as in [{params!r}], not {params!r}")
    for name in params:
        if name not in known:
            raise ValueError(f"the figure has no parameter {name!r}; it can show {', '.join(known)}")
    return list(dict.fromkeys(params))


def _target(study: optuna.Study, target_name: str) -> str:
    return (study.metric_names or [target_name])[0]


def _words(trial: SearchTrial) -> str:
    """Returns the text about a trial under the mouse."""
    lines = [f"Trial {trial.number}", f"Value: {trial.value:z.6g}", f"Proposer: {trial.proposer or trial.kind}"]
    for name, value in trial.params.items():
        shown = f"{value:.6g}" if isinstance(value, float) else label(value)
        lines.append(f"  {label(name)}: {shown}")
    return "<br>".join(map(as_text, lines))
