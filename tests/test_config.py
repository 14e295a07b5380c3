"""The settings: one default, ranges that errors name by their paths, and nothing that has no effect."""

import dataclasses
import json
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from transfernas import (
    Agent,
    BanditConfig,
    BestOf,
    Choice,
    DecoderConfig,
    ExplorationConfig,
    LstmConfig,
    Preferences,
    Problem,
    ProposalConfig,
    QueueConfig,
    Reinforce,
    SearchSpace,
    SurrogateConfig,
    TrainingConfig,
    TransferConfig,
    TransformerConfig,
    UniformConfig,
)
from transfernas.fields import ConfigPart, flat, from_json, parsed, to_json
from transfernas.integrations.optuna import TransferSampler
from transfernas.integrations.studies import learn_from_studies

pytestmark = pytest.mark.usefixtures("unchecked")  # the settings check themselves
DEFAULT, PAPER = TrainingConfig(), TrainingConfig.paper()
LSTM = TrainingConfig.paper(network=LstmConfig())
MIXED = TrainingConfig(transfer=TransferConfig(uniform=UniformConfig()))
PROBLEM = Problem(SearchSpace("s", [Choice("a", (0, 1))]), "t")
WHOLE = (
    *(
        "network.embedding_size",
        "network.layers",
        "network.heads",
        "network.feed_forward",
        "rule.updates",
        "rule.pairs",
    ),
    *("rule.good_most", "proposal.best_of.trials", "proposal.max_candidates", "proposal.surrogate.first"),
    "proposal.surrogate.first_after_transfer",
    *("queue.size", "transfer.bandit.warm_start", "transfer.uniform.trials"),
)
SHARES = ("rule.good_share", "transfer.bandit.trust", "transfer.bandit.trust_warm_start", "transfer.bandit.decay")
NUMBERS = (
    *("network.embedding_scale", "network.context_scale", "network.position_scale", "network.weight_scale"),
    *("network.logit_scale", "network.number_length", "rule.learning_rate", "rule.entropy_weight"),
    *("rule.joint_entropy_weight", "rule.scale", "rule.imitation"),
)


def refused(base: TrainingConfig, changes: dict[str, object]) -> str:
    with pytest.raises(ValueError) as error:
        base.with_changes(changes)
    return str(error.value)


@pytest.mark.thorough
def test_there_is_one_default() -> None:
    """Whoever takes no settings has these."""
    objective = optuna.create_study(sampler=TransferSampler(seed=0))
    objective.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    sampler = objective.sampler
    assert isinstance(sampler, TransferSampler) and sampler.agent is not None
    learned, _ = learn_from_studies(None, [objective])
    assert Agent([PROBLEM]).config == sampler.agent.config == learned.config == DEFAULT
    other = TransferSampler(Agent([PROBLEM], LSTM), seed=0)
    continued = optuna.create_study(sampler=other)
    continued.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    assert other.agent is not None and other.agent.config == LSTM


def test_ray_has_the_same_default() -> None:
    tune = pytest.importorskip("ray.tune", reason="Ray is not installed")
    from transfernas.integrations.ray import TransferSearch

    search = TransferSearch({"x": tune.uniform(0, 1)}, "loss", "min", seed=0)
    assert search.suggest("a") is not None and search.agent is not None and search.agent.config == DEFAULT


def test_settings_that_are_given_mean_the_same_as_none() -> None:
    found = []
    for config in (None, DEFAULT):
        study = optuna.create_study(sampler=TransferSampler(seed=0, config=config))
        study.optimize(lambda trial: (trial.suggest_float("x", 0, 1) - 0.3) ** 2, n_trials=8)
        found.append([trial.params for trial in study.trials])
    assert found[0] == found[1]


def test_what_depends_on_where_is_searched_can_be_fixed() -> None:
    rule, gated = Preferences(), DEFAULT.transfer
    assert (rule.most_steps(False), rule.most_steps(True)) == (256, 128)
    assert (gated.explore_numbers(False), gated.explore_numbers(True)) == (True, False)
    assert [Preferences(pair_steps=7).most_steps(grows) for grows in (True, False)] == [7, 7]
    for whether in (True, False):
        fixed = TransferConfig(bandit=BanditConfig(exploration=ExplorationConfig(of_numbers=whether)))
        assert [fixed.explore_numbers(grows) for grows in (True, False)] == [whether] * 2


def test_the_papers_values() -> None:
    assert isinstance(PAPER.network, TransformerConfig) and isinstance(PAPER.rule, Reinforce)
    assert (PAPER.network.embedding_size, PAPER.network.layers, PAPER.network.heads) == (8, 2, 1)
    assert (PAPER.rule.learning_rate, PAPER.rule.pqt_weight, PAPER.rule.entropy_weight) == (5e-4, 5, 0.15)
    assert (PAPER.queue.size, PAPER.proposal.best_of, PAPER.proposal.repeats) == (25, None, True)
    assert PAPER.transfer.bandit is None and PAPER.proposal.surrogate is None and PAPER.network.number_length == 0
    shares = [PAPER.transfer.uniform_share(count) for count in (0, 50, 100, 1000)]
    assert shares == pytest.approx([0.1, 0.05, 0, 0])


@pytest.mark.parametrize(
    ("base", "changes", "text"),
    [
        *(
            (MIXED, {path: value}, f"TrainingConfig.{path} must be a whole number of at least 1, not {value!r}")
            for path in WHOLE
            for value in (0, 1.5, True, None)
        ),
        *(
            (DEFAULT, {path: value}, f"TrainingConfig.{path} must be a number from 0 to 1, not {value!r}")
            for path in SHARES
            for value in (-0.1, 1.1, "1")
        ),
        *(
            (DEFAULT, {path: value}, f"TrainingConfig.{path} must be a number of at least 0, not {value!r}")
            for path in NUMBERS
            for value in (-1.0, float("inf"), float("nan"))
        ),
        *(
            (LSTM, {f"network.{name}": 0}, f"TrainingConfig.network.{name} must be a whole number of at least 1, not 0")
            for name in ("units", "layers")
        ),
        (LSTM, {"network.anchors": 1}, "TrainingConfig.network.anchors must be True or False, not 1"),
        (DEFAULT, {"proposal.repeats": 1}, "TrainingConfig.proposal.repeats must be True or False, not 1"),
        (
            DEFAULT,
            {"transfer.bandit.exploration.of_numbers": 1},
            "TrainingConfig.transfer.bandit.exploration.of_numbers must be None or True or False, not 1",
        ),
        (
            DEFAULT,
            {"rule.pair_steps": 0},
            "TrainingConfig.rule.pair_steps must be None or a whole number of at least 1, not 0",
        ),
        (
            DEFAULT,
            {"rule.learning_rate": 11},
            "TrainingConfig.rule.learning_rate must be a number of at most 10, not 11",
        ),
        (DEFAULT, {"rule.adam_b1": 1}, "TrainingConfig.rule.adam_b1 must be a number from 0 to 0.999999, not 1"),
        (DEFAULT, {"rule.adam_b2": 1}, "TrainingConfig.rule.adam_b2 must be a number from 0 to 0.999999, not 1"),
        (DEFAULT, {"rule.adam_epsilon": 0}, "TrainingConfig.rule.adam_epsilon must be a number from 1e-30 to 1, not 0"),
        (PAPER, {"rule.pqt_weight": -1}, "TrainingConfig.rule.pqt_weight must be a number of at least 0, not -1"),
        (
            PAPER,
            {"rule.baseline_decay": 1.5},
            "TrainingConfig.rule.baseline_decay must be a number from 0 to 1, not 1.5",
        ),
        (
            PAPER,
            {"network.attention": "both"},
            "TrainingConfig.network.attention must be one of ('causal', 'bidirectional'), not 'both'",
        ),
        (
            DEFAULT,
            {"network.normalise": "never"},
            "TrainingConfig.network.normalise must be one of ('after', 'before'), not 'never'",
        ),
        (DEFAULT, {"queue.ties": "no"}, "TrainingConfig.queue.ties must be one of ('keep', 'replace'), not 'no'"),
        (DEFAULT, {"queue.repeats": 1}, "TrainingConfig.queue.repeats must be one of ('best', 'latest'), not 1"),
        *(
            (DEFAULT, {path: "zero"}, f"TrainingConfig.{path} must be one of ('random', 'mean'), not 'zero'")
            for path in ("transfer.new_task", "transfer.new_action")
        ),
        (
            DEFAULT,
            {"transfer.bandit.control": -1},
            "TrainingConfig.transfer.bandit.control must be a whole number of at least 0, not -1",
        ),
        *(
            (DEFAULT, {path: 1}, f"TrainingConfig.{path} must be a whole number of at least 2, not 1")
            for path in ("proposal.best_of.draws", "proposal.surrogate.every")
        ),
        (
            DEFAULT,
            {"transfer.bandit.exploration.logits": 0},
            "TrainingConfig.transfer.bandit.exploration.logits must be a number of more than 0, not 0",
        ),
        (
            MIXED,
            {"transfer.uniform.share": 0},
            "TrainingConfig.transfer.uniform.share must be a number of more than 0 and at most 1, not 0",
        ),
        (DEFAULT, {"network.heads": 5}, "TrainingConfig.network.heads=5 does not divide the token's width, 3 x 8"),
        (DEFAULT, {"rule": "q"}, "TrainingConfig.rule must be Reinforce or Preferences, not 'q'"),
        (DEFAULT, {"transfer.bandit": True}, "TrainingConfig.transfer.bandit must be None or BanditConfig, not True"),
        (
            DEFAULT,
            {"network": "rnn"},
            "TrainingConfig.network must be TransformerConfig or DecoderConfig or LstmConfig, not 'rnn'",
        ),
        (
            DEFAULT,
            {"rule.updates": 1000, "rule.pair_steps": 10**6},
            "TrainingConfig.rule.updates=1000 times pair_steps=1000000 is more than 1,048,576 steps a "
            "trial; give less of one",
        ),
    ],
)
def test_a_setting_out_of_range_is_named(base: TrainingConfig, changes: dict[str, object], text: str) -> None:
    assert refused(base, changes) == text


def test_every_number_has_a_range_that_is_tested() -> None:
    known = {*WHOLE, *SHARES, *NUMBERS, "rule.pqt_weight", "rule.baseline_decay", "network.units", "rule.pair_steps"}
    known |= {"rule.adam_b1", "rule.adam_b2", "rule.adam_epsilon", "transfer.uniform.share", "transfer.bandit.control"}
    known |= {"proposal.best_of.draws", "proposal.surrogate.every", "transfer.bandit.exploration.logits"}
    every = flat(MIXED) | flat(LSTM)
    assert {
        path for path, value in every.items() if isinstance(value, int | float) and type(value) is not bool
    } <= known


@pytest.mark.parametrize(
    ("base", "path", "text"),
    [
        *(
            (
                PAPER,
                f"rule.{name}",
                f"TrainingConfig.rule has no field '{name}'; {name} is a field of Preferences: it is",
            )
            for name in ("joint_entropy_weight", "updates", "pairs", "pair_steps", "good_share", "good_most", "scale")
        ),
        (
            PAPER,
            "rule.imitation",
            "imitation is a field of Preferences: it is Reinforce, with the fields learning_rate,",
        ),
        (DEFAULT, "rule.pqt_weight", "pqt_weight is a field of Reinforce: it is Preferences, with the fields"),
        (DEFAULT, "rule.baseline_decay", "baseline_decay is a field of Reinforce"),
        (DEFAULT, "network.attention", "attention is a field of TransformerConfig"),
        (DEFAULT, "network.units", "units is a field of LstmConfig"),
        (PAPER, "network.anchors", "anchors is a field of LstmConfig"),
        (LSTM, "network.heads", "heads is a field of TransformerConfig and DecoderConfig"),
        (DEFAULT, "rule.learningrate", ". Did you mean 'learning_rate'?"),
        (LSTM, "network.feed_forward", "feed_forward is a field of TransformerConfig and DecoderConfig"),
        (LSTM, "network.normalise", "normalise is a field of TransformerConfig and DecoderConfig"),
        (LSTM, "network.position_scale", "position_scale is a field of TransformerConfig and DecoderConfig"),
        *(
            (PAPER, path, f"TrainingConfig.{path.rpartition('.')[0]} is None and has no field {path.split('.')[-1]!r}")
            for path in ("proposal.best_of.trials", "proposal.surrogate.first", "transfer.bandit.trust")
        ),
        (PAPER, "transfer.bandit.exploration.logits", "TrainingConfig.transfer.bandit is None and has no field"),
        (DEFAULT, "transfer.uniform.trials", "has no field 'trials': give it UniformConfig"),
        (DEFAULT, "queue.size.more", "TrainingConfig.queue.size is 25, which has no field 'more'"),
        (
            DEFAULT,
            "lr",
            "TrainingConfig has no field 'lr': it is TrainingConfig, with the fields network, rule, proposal,",
        ),
    ],
)
def test_what_would_have_no_effect_is_refused(base: TrainingConfig, path: str, text: str) -> None:
    assert text in refused(base, {path: 1})
    with pytest.raises(ValueError) as error:
        parsed(base, path, "1")
    assert text in str(error.value)


def test_a_bandit_takes_preferences() -> None:
    text = r"TrainingConfig.transfer.bandit takes rule=Preferences\(\).*bandit=None"
    with pytest.raises(ValueError, match=text):
        TrainingConfig(rule=Reinforce())
    with pytest.raises(ValueError, match=text):
        TrainingConfig.paper(transfer=TransferConfig())
    assert TrainingConfig(rule=Reinforce(), transfer=TransferConfig(bandit=None)).transfer.new_task == "mean"


def test_studies_change_no_settings_of_an_agent() -> None:
    study = optuna.create_study()
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    with pytest.raises(ValueError, match="config is for a new agent; the agent that is given keeps its own"):
        learn_from_studies(Agent([PROBLEM]), [study], config=PAPER)


def test_single_fields_and_parts_change_together() -> None:
    changed = DEFAULT.with_changes(
        {
            "rule": Preferences(updates=2),
            "rule.pairs": 3,
            "transfer.bandit.exploration": None,
            "network.embedding_size": 4,
        }
    )
    assert changed.rule == Preferences(updates=2, pairs=3) and changed.network == DecoderConfig(embedding_size=4)
    assert changed.transfer == TransferConfig(bandit=BanditConfig(exploration=None)) and changed.queue == DEFAULT.queue
    assert DEFAULT.with_changes({"network.embedding_size": 1, "network.heads": 3}).network.width == 3
    assert dataclasses.replace(DEFAULT, queue=QueueConfig(size=3)) == DEFAULT.with_changes({"queue.size": 3})
    slow = TrainingConfig.paper(rule=Reinforce(learning_rate=1e-4))
    assert slow == PAPER.with_changes({"rule.learning_rate": 1e-4}) and hash(slow) != hash(PAPER)
    assert DEFAULT.with_changes({}) == pickle.loads(pickle.dumps(DEFAULT)) == DEFAULT


def test_text_says_what_it_says_in_python() -> None:
    said = {"queue.size": "7", "rule.learning_rate": "1e-3", "proposal.repeats": "True", "transfer.new_task": "random"}
    expected = {"queue.size": 7, "rule.learning_rate": 1e-3, "proposal.repeats": True, "transfer.new_task": "random"}
    assert {path: parsed(DEFAULT, path, text) for path, text in said.items()} == expected
    assert parsed(DEFAULT, "network", "lstm") == LstmConfig() and parsed(PAPER, "rule", "preferences") == Preferences()
    assert (
        parsed(DEFAULT, "transfer.bandit", "None") is None
        and parsed(PAPER, "transfer.bandit", "default") == BanditConfig()
    )
    assert parsed(PAPER, "proposal.best_of", "default") == BestOf()
    for path, text, error in (
        ("network", "rnn", "must be one of ('transformer', 'decoder', 'lstm'), not 'rnn'"),
        ("transfer.bandit", "yes", "must be None or one of ('default',), not 'yes'"),
        ("queue.size", "many", "must be a whole number of at least 1, not 'many'"),
        ("queue.size", "None", "must be a whole number of at least 1, not 'None'"),
    ):
        with pytest.raises(ValueError) as found:
            parsed(DEFAULT, path, text)
        assert error in str(found.value)


@pytest.mark.parametrize("config", [DEFAULT, PAPER, LSTM, MIXED], ids=["default", "paper", "lstm", "mixed"])
def test_json_and_back(config: TrainingConfig) -> None:
    value = json.loads(json.dumps(to_json(config)))
    assert from_json(TrainingConfig, value) == config
    for path, field, there in parts_of(value, "TrainingConfig"):
        kept = there.pop(field)
        with pytest.raises(ValueError, match=f"{path} lacks the field '{field}'|{path} must have a kind of"):
            from_json(TrainingConfig, value)
        there[field] = kept
    for path, there in {path: there for path, _, there in parts_of(value, "TrainingConfig")}.items():
        there["other"] = 1
        with pytest.raises(ValueError, match=f"{path} has no field 'other'"):
            from_json(TrainingConfig, value)
        del there["other"]


@pytest.mark.parametrize("kind", ["gru", None, 3, ["lstm"]])
def test_a_kind_that_is_none_is_refused(kind: object) -> None:
    value = to_json(DEFAULT)
    value["network"]["kind"] = kind
    with pytest.raises(ValueError, match="TrainingConfig.network must have a kind of"):
        from_json(TrainingConfig, value)
    value["network"] = kind
    with pytest.raises(ValueError, match="TrainingConfig.network must have a kind of"):
        from_json(TrainingConfig, value)
    value = to_json(DEFAULT) | {"queue": kind}
    with pytest.raises(ValueError, match="TrainingConfig.queue must be an object"):
        from_json(TrainingConfig, value)


def parts_of(value: dict[str, object], path: str) -> Iterator[tuple[str, str, dict[str, object]]]:
    """The fields of a part as JSON, and those of the parts in it: path of the part, name, the part."""
    for name, inner in list(value.items()):
        yield path, name, value
        if isinstance(inner, dict):
            yield from parts_of(inner, f"{path}.{name}")


def test_the_map_of_the_paper_names_fields_that_there_are() -> None:
    page = (Path(__file__).parents[1] / "docs" / "explanation" / "paper-to-code.md").read_text(encoding="utf8")
    table = [line.split(" | ") for line in page.split("## The paper's open choices")[1].splitlines() if " | " in line]
    named = {path for _, _, fields, *_ in table for path in re.findall(r"`([a-z_.0-9]+)`", fields)}
    assert len(named) > 15 and named <= (flat(PAPER) | flat(LSTM)).keys()


def test_every_part_says_where_it_is() -> None:
    def check(part: ConfigPart, path: str) -> None:
        assert part.path == path
        for field in dataclasses.fields(part):
            if isinstance(inner := getattr(part, field.name), ConfigPart):
                check(inner, f"{path}.{field.name}")

    for config in (DEFAULT, PAPER, LSTM, MIXED):
        check(config, "TrainingConfig")
    assert SurrogateConfig.path == "TrainingConfig.proposal.surrogate"
    assert ProposalConfig.paper() == PAPER.proposal and TransferConfig.paper() == PAPER.transfer
