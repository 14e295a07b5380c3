"""Beliefs of an agent: they are those of its policy, and to look at them changes nothing."""

import itertools
import json
from pathlib import Path

import jax
import numpy as np
import pytest

import policies
from searchers import CONFIG, FAST, LEFT, ONE, PROBLEMS, TWO, play
from transfernas import Agent, Choice, LstmConfig, Problem, Range, SearchSpace, TrainingConfig
from transfernas.define_by_run.search import DefineByRunSearch
from transfernas.insight.beliefs import Beliefs, beliefs_of
from transfernas.insight.importances import effect_size, importances, kruskal_wallis, mean_ranks
from transfernas.insight.likeness import agreement, cosine, is_near_start, value_ranks
from transfernas.insight.plane import embedding_map, space_map, task_map
from transfernas.learning.archive import ArchivedProblem, archive_of_trials
from transfernas.learning.learner import best_policy, update_archive
from transfernas.learning.scores import Score
from transfernas.spaces.choice import START
from transfernas.spaces.condition import Config
from transfernas.spaces.domain import CategoricalDomain, Domain, NumericDomain

THREE = Problem(LEFT, "three")


@pytest.fixture(scope="module")
def agent() -> Agent:
    agent = Agent(PROBLEMS, FAST, seed=3)
    play(agent, 30)
    return agent


@pytest.mark.parametrize("config", [CONFIG, FAST], ids=["paper", "fast"])
def test_looking_changes_no_trial(config: object) -> None:
    looked, other = Agent(PROBLEMS, config, seed=5), Agent(PROBLEMS, config, seed=5)  # type: ignore[arg-type]
    for _ in range(6):
        looked.beliefs(ONE, draws=20)
        first, second = looked.ask(), other.ask()
        assert (first.number, first.problem, first.config) == (second.number, second.problem, second.config)
        looked.beliefs(TWO, draws=20)
        looked.tell(first, 0.5 + first.number)
        other.tell(second, 0.5 + second.number)
    assert looked.provenance == other.provenance and looked._asked == other._asked


def test_equal_seeds_give_equal_beliefs_and_plain_data(agent: Agent) -> None:
    first, second = agent.beliefs(ONE, seed=1), agent.beliefs(ONE, seed=1)
    assert first == second != agent.beliefs(ONE, seed=2)
    text = json.dumps(first.to_json(), allow_nan=False)
    assert json.loads(text)["parameters"][0]["name"] == "kind"


@pytest.mark.thorough
def test_probabilities_are_those_of_the_policy() -> None:
    """A policy that imitated one configuration draws it; one that learned nothing draws about uniformly."""
    certain = Agent(PROBLEMS, CONFIG, seed=0)
    fresh = certain.beliefs(ONE, draws=600)
    wanted: Config = {"kind": "conv", "width": 32, "act": "relu"}
    certain.learn_from([(ONE, wanted, 1.0)] * 300)
    learned = certain.beliefs(ONE, draws=600)
    for name, value in wanted.items():
        found = learned[name]
        assert found.favourite == value and max(found.probabilities) > 0.9 > max(fresh[name].probabilities)
        assert sum(found.probabilities) == pytest.approx(1.0)
    assert learned["kind"].active == 1.0 and learned["width"].active > 0.9
    assert learned.expected_best[0].config == wanted and learned.expected_best[0].reward == 1.0


def test_the_draws_are_as_likely_as_the_space_allows(agent: Agent) -> None:
    found = agent.beliefs(ONE)
    conv = found["kind"].probabilities[found["kind"].values.index("conv")]
    assert found["width"].active == pytest.approx(conv)  # the width is decided for convolutions alone
    configs = [each.config for each in found.expected_best]
    assert len(configs) == 5 and all(a != b for a, b in itertools.combinations(configs, 2))
    scores = [each.score for each in found.expected_best]
    assert scores == sorted(scores, reverse=True)
    for config in configs:
        LEFT.validate(config)


def test_after_a_transfer_the_sources_are_there(agent: Agent) -> None:
    moved = agent.transfer_to([THREE])
    found = moved.beliefs()
    assert (found.task, found.trials, found.policy) == ("three", 0, "transferred policy")
    assert [(each.space, each.task) for each in found["kind"].sources] == [problem.name for problem in PROBLEMS]
    assert [(each.space, each.task) for each in found["act"].sources] == [ONE.name]
    of_one = found["kind"].sources[0].probabilities
    remembered = update_archive(agent.learner).archive[0]
    kinds = [remembered.config(0, slot)["kind"] for slot in range(8)]
    assert of_one == tuple(kinds.count(kind) / 8 for kind in ("conv", "pool", "skip"))
    assert found.importances_from == "other problems" and found.warm_start
    assert {each.task for each in found.likeness} == {"one", "two"}
    assert found.tasks.names == ("one", "two", "three")


def test_a_problems_own_rule_is_respected(agent: Agent) -> None:
    """The configurations expected best are valid ones."""
    only = Problem(LEFT, "four", valid=lambda config: config["kind"] == "pool")
    found = agent.transfer_to([only]).beliefs(draws=200)
    assert found.expected_best and all(each.config["kind"] == "pool" for each in found.expected_best)


def test_a_number_of_a_declared_range_has_its_part_and_the_reward_that_was_told() -> None:
    rates = Range(1e-3, 1.0, log=True)
    agent = Agent([Problem(SearchSpace("s", [Choice("rate", rates), Choice("kind", ("a", "b"))]), "t")], seed=0)
    others = [(agent.problems[0], {"rate": rate, "kind": kind}, 0.0) for rate in (0.002, 0.3) for kind in ("a", "b")]
    agent.learn_from([(agent.problems[0], {"rate": 0.0123, "kind": "a"}, 1.0), *others] * 20)
    found = agent.beliefs()
    best = found.expected_best[0]
    part = found.ranges["rate"][best.config["rate"]]
    assert part.low <= 0.0123 <= part.high and best.reward == 1.0


def test_good_numbers_of_a_range_that_was_widened_are_found_in_its_new_parts() -> None:
    old, new = DefineByRunSearch("space", "one"), NumericDomain(8, 256, integer=True)
    narrow = NumericDomain(8, 128, integer=True)
    for trial in range(10):
        old.tell(trial, {"units": (narrow, 70)}, 1.0)
    search = DefineByRunSearch("space", "two", source=old.agent())
    search.tell(0, {"units": (new, search.suggest(0, {}, "units", new))}, 0.0)
    agent = search.agent()
    assert agent is not None
    units = agent.beliefs()["units"]
    assert units.ranges is not None
    (part,) = [its for its, share in zip(units.ranges, units.sources[0].probabilities, strict=True) if share]
    assert part.low <= 70 <= part.high


def test_wrong_questions_name_the_right_one(agent: Agent) -> None:
    with pytest.raises(ValueError, match=r"as in agent\.beliefs\(problem\)"):
        agent.beliefs()
    with pytest.raises(ValueError, match="draws must be a whole number of at least 1, not 0"):
        agent.beliefs(ONE, draws=0)
    with pytest.raises(ValueError, match="is not a problem of this search"):
        agent.beliefs(THREE)
    with pytest.raises(KeyError, match="there is no parameter 'lr'; there are kind, width, act"):
        agent.beliefs(ONE)["lr"]


@pytest.mark.parametrize("config", [CONFIG, FAST], ids=["transformer", "decoder"])
def test_attention_is_that_of_the_policy_between_the_decisions(config: TrainingConfig) -> None:
    """The weights themselves have an oracle in test_policy.py."""
    agent = Agent(PROBLEMS, config, seed=3)
    wanted: Config = {"act": "relu", "width": 32, "kind": "conv"}
    found = agent.beliefs(ONE, draws=20, attention=wanted).attention
    assert found is not None and found.decisions == tuple(found.config) == ("kind", "width", "act")
    learner = agent.learner
    trajectory, policy = learner.encoding.trajectory(0, wanted), policies.one(learner)
    weights = np.asarray(jax.jit(type(policy).attention_weights)(policy, learner.tables.decisions, trajectory))
    np.testing.assert_allclose(found.weights, weights[:, :, 1:4, :4], atol=1e-5)
    chosen = ("space=left", "kind=conv", "width=32", "act=relu")
    assert found.tokens == (chosen if config is CONFIG else ("start", *chosen[:3]))
    rows = np.array(found.weights)
    np.testing.assert_allclose(rows.sum(-1), 1, atol=1e-5)
    assert not rows[..., ~np.tri(3, 4, 1, dtype=bool)].any()
    assert agent.beliefs(ONE, draws=20).attention is None
    assert json.loads(json.dumps(agent.beliefs(ONE, draws=20, attention=wanted).to_json()))["attention"]["weights"]


def test_attention_after_a_transfer_is_that_of_the_policy_that_does_best(agent: Agent) -> None:
    moved = agent.transfer_to([THREE])
    wanted = agent.top(ONE)[0].config
    before, after = agent.beliefs(ONE, attention=wanted).attention, moved.beliefs(attention=wanted).attention
    assert before is not None and after is not None and before.tokens[1:] == after.tokens[1:]
    which = np.asarray(best_policy(moved.learner).state)
    np.testing.assert_array_equal(which[0], np.asarray(moved.learner.state.policy.state)[0])


def test_attention_of_a_network_without_it_or_of_no_configuration_is_an_error(agent: Agent) -> None:
    lstm = Agent([ONE], TrainingConfig.paper(network=LstmConfig(units=4)))
    with pytest.raises(ValueError, match=r"the kind 'lstm', which has no layers of attention; .*network=DecoderConfig"):
        lstm.beliefs(draws=20, attention={"kind": "pool", "act": "relu"})
    with pytest.raises(ValueError, match="width"):
        agent.beliefs(ONE, draws=20, attention={"kind": "pool", "act": "relu", "width": 8})


def test_attention_of_a_discovered_space_ignores_conditions_and_names_what_is_wrong() -> None:
    search = DefineByRunSearch("run", "one", FAST, seed=0)
    domain = CategoricalDomain(("a", "b"))
    for number in range(3):
        params = {"x": (domain, search.suggest(number, {}, "x", domain))}
        search.tell(number, params, Score.of(float(number)), True)
    learner = search.agent().learner  # type: ignore[union-attr]
    assert beliefs_of(learner, 0, 20, attention={"x": "b"}).attention.decisions == ("x",)  # type: ignore[union-attr]
    for config, words in (({"y": "a"}, "has no choice 'y'; it has x"), ({"x": "c"}, "'c'"), ({}, "is empty")):
        with pytest.raises(ValueError, match=words):
            beliefs_of(learner, 0, 20, attention=config)


def test_values_of_a_discovered_space_have_their_ranges() -> None:
    """Even names are ranges only if an odd number was tried: the step of a parameter may be two."""
    domains: dict[str, Domain] = {
        "rate": NumericDomain(1e-4, 1e-1, log=True),
        "leaf": NumericDomain(1, 20, integer=True),
        "even": NumericDomain(2, 20, step=2, integer=True),
        "act": CategoricalDomain(("relu", "tanh")),
    }
    search = DefineByRunSearch("run", "one", FAST, seed=0)
    for number, tried in enumerate(({"rate": 0.003, "leaf": 5}, {"rate": 0.007, "leaf": 20})):
        values = {"even": 8, "act": "relu", **tried}
        search.tell(number, {name: (domain, values[name]) for name, domain in domains.items()}, float(number))
    agent = search.agent()
    assert agent is not None
    found = agent.beliefs(draws=20, attention=agent.top()[0].config)
    rate, leaf = found["rate"].ranges, found["leaf"].ranges
    assert rate is not None and leaf is not None and set(found.ranges) == {"rate", "leaf"}
    assert rate[0] == pytest.approx((1e-4, 10**-3.75, True)) and rate[-1] == pytest.approx((10**-1.25, 0.1, True))
    # The agent does not know that 0 is no leaf. It tried 20, so the range does not end at 19.
    assert leaf == ((0, 1, True), *((low, low + 1, False) for low in range(2, 18, 2)), (18, 20, False))
    assert (str(leaf[0]), str(leaf[-1])) == ("about 0 to 1", "18 to 20")
    assert found["even"].ranges is None and found["act"].ranges is None and found["even"].values[0] == 2
    assert found.attention is not None and found.attention.tokens[1:4] == ("space=run", "rate=0.007", "leaf=20")
    assert found.attention.decisions[0] == "rate" and found.attention.config["leaf"] == 18
    attention = agent.beliefs(draws=20, attention=found.attention.config).attention
    assert attention is not None and attention.tokens[2:4] == ("rate=0.00562 to 0.01", "leaf=18 to 20")
    json.dumps(found.to_json(), allow_nan=False)


def test_an_agent_that_knows_nothing_has_beliefs() -> None:
    found = Agent([ONE], FAST).beliefs(draws=50)
    assert isinstance(found, Beliefs) and found.importances_from == "nothing" and found.likeness == ()
    assert found["kind"].importance is None and found["kind"].sources == () and found.tasks.places == ((0.0, 0.0),)


def test_the_effect_size_is_that_of_kruskal_and_wallis() -> None:
    from scipy.stats import kruskal

    rng = np.random.default_rng(0)
    values, groups = rng.integers(0, 12, 40).astype(float), rng.integers(0, 3, 40)
    h = kruskal(*(values[groups == group] for group in range(3))).statistic
    ranks = mean_ranks(np.zeros(40, np.int32), values)
    assert effect_size(*kruskal_wallis(groups, ranks)) == pytest.approx(max(0.0, (h - 2) / 37))
    assert effect_size(*kruskal_wallis(np.arange(5), np.arange(5.0))) == 0.0  # a group a trial says nothing
    assert effect_size(*kruskal_wallis(np.zeros(5, int), np.arange(5.0))) == 0.0


def test_importances_find_what_matters() -> None:
    rng = np.random.default_rng(1)
    configs: list[Config] = [
        {"rate": float(rng.random()), "act": str(rng.choice(["a", "b"])), "noise": int(rng.integers(6))}
        for _ in range(200)
    ]
    rewards = np.array([-((float(c["rate"]) - 0.5) ** 2) + 0.1 * (c["act"] == "a") for c in configs])  # type: ignore[arg-type]
    found = importances(configs, mean_ranks(np.zeros(200, np.int32), rewards))
    assert found["rate"].effect > found["act"].effect > 0.02 >= found["noise"].effect
    assert sum(each.share for each in found.values()) == pytest.approx(1.0)
    assert importances(configs[:7], np.zeros(7)) == {}


def test_a_parameter_of_some_trials_counts_by_their_share() -> None:
    configs: list[Config] = [{"on": True, "x": number % 2} if number < 20 else {"on": False} for number in range(80)]
    rewards = np.array([float(config.get("x") == 1) for config in configs])
    found = importances(configs, mean_ranks(np.zeros(80, np.int32), rewards))
    assert found["x"].effect == pytest.approx(0.25, abs=0.02)


def test_ranks_put_outcomes_before_rewards_and_share_places() -> None:
    found = mean_ranks(np.array([0, 0, -4, 0]), np.array([1.0, 1.0, 9.0, 2.0]))
    assert found.tolist() == [0.5, 0.5, 0.0, 1.0]


def entry(task: str, sign: float) -> ArchivedProblem:
    """A remembered problem whose rewards rise, or fall, with both of its parameters."""
    pairs = itertools.product(range(4), range(3))
    return archive_of_trials("s", task, (({"x": x, "y": y}, {}, Score.of(sign * (x + 10 * y))) for x, y in pairs))


def test_tasks_agree_by_the_ranks_of_their_values() -> None:
    for sign in (1.0, -1.0):
        found, shared = agreement(value_ranks(entry("a", 1.0)), value_ranks(entry("b", sign)))
        assert found == pytest.approx(sign) and shared == 7
    few = archive_of_trials("s", "c", [({"x": 0}, {}, Score.of(0.0)), ({"x": 1}, {}, Score.of(1.0))])
    assert agreement(value_ranks(entry("a", 1.0)), value_ranks(few)) == (None, 2)


def test_the_map_of_tasks_keeps_distances_in_a_plane() -> None:
    rng = np.random.default_rng(2)
    plane, axes = rng.normal(size=(5, 2)), np.linalg.qr(rng.normal(size=(8, 2)))[0]
    found = embedding_map({str(number): row for number, row in enumerate(plane @ axes.T)})
    places = np.array(found.places)
    for one, other in itertools.combinations(range(5), 2):
        assert np.linalg.norm(places[one] - places[other]) == pytest.approx(np.linalg.norm(plane[one] - plane[other]))
    assert sum(found.explained) == pytest.approx(1.0)
    three = rng.normal(size=(3, 8))
    places = np.array(embedding_map(dict(zip("abc", three, strict=True))).places)
    for one, other in itertools.combinations(range(3), 2):
        assert np.linalg.norm(places[one] - places[other]) == pytest.approx(np.linalg.norm(three[one] - three[other]))
    assert cosine(np.array([1.0, 0.0]), np.array([1.0, 1.0])) == pytest.approx(0.5**0.5)
    assert cosine(np.zeros(2), np.ones(2)) == 0.0 and embedding_map({}).places == ()
    tasks = {"a": np.array([2.0, 0.0]), "b": np.array([0.0, 2.0]), "new": np.array([1.05, 0.95])}
    assert is_near_start(tasks, "new") and not is_near_start(tasks, "a") and not is_near_start({"a": tasks["a"]}, "a")
    assert embedding_map(tasks).size == pytest.approx((4 + np.linalg.norm(tasks["new"])) / 3)


def test_the_map_has_one_picture_of_equal_few_and_turned_embeddings() -> None:
    rng = np.random.default_rng(3)
    rows = dict(zip("abcd", rng.normal(size=(4, 8)).astype(np.float32), strict=True))
    rows["e"] = rows["b"].copy()
    found = embedding_map(rows)
    assert found.places[1] == found.places[4] and len(set(found.places)) == 4 and found == embedding_map(rows)
    turned = embedding_map({name: -row for name, row in rows.items()})  # the axes keep their signs
    np.testing.assert_allclose(turned.places, -np.array(found.places), atol=1e-12)
    two = embedding_map({"a": rows["a"], "b": rows["b"]})
    assert two.explained == (1.0, 0.0) and [y for _, y in two.places] == [0.0, 0.0]
    assert two.places[0][0] == pytest.approx(-two.places[1][0]) and two.places[0][0] != 0
    for names in ("a", "be"):
        assert embedding_map({name: rows[name] for name in names}).explained == (0.0, 0.0)
        assert set(embedding_map({name: rows[name] for name in names}).places) == {(0.0, 0.0)}


def test_a_space_lies_where_the_embedding_of_its_action_does(agent: Agent, tmp_path: Path) -> None:
    moved = agent.transfer_to([Problem(SearchSpace("third", LEFT.choices), "three")])
    names, table = moved.learner.vocabulary, np.asarray(best_policy(moved.learner).action)[0]
    found = space_map(moved.learner)
    assert found.names == (*dict.fromkeys(problem.space.name for problem in PROBLEMS), "third")
    rows = [table[names.action(START, name)] for name in found.names]
    for one, other in itertools.combinations(range(len(rows)), 2):
        apart = np.linalg.norm(np.subtract(found.places[one], found.places[other]))
        assert apart == pytest.approx(np.linalg.norm(rows[one] - rows[other]), rel=1e-5)
    loaded = Agent.load(moved.save(tmp_path / "agent.safetensors"))
    assert space_map(loaded.learner) == found == moved.beliefs(draws=20).spaces
    assert task_map(loaded.learner) == moved.beliefs(draws=20).tasks


@pytest.mark.thorough
def test_a_notebook_shows_an_agent_with_its_names_escaped() -> None:
    space = SearchSpace("<script>", [Choice("x", (1, 2))])
    agent = Agent([Problem(space, "a & b")], FAST)
    found = agent._repr_html_()
    assert "<script>" not in found and "&lt;script&gt;" in found and "a &amp; b" in found and "none yet" in found
    agent.learn_from([(agent.problems[0], {"x": 2}, 0.25)])
    assert "0.25" in agent._repr_html_() and "1 problem<" in agent._repr_html_()
