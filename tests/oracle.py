"""The networks and the paper's equations in plain NumPy, one trajectory, one candidate at a time, in float64."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float

from transfernas.policy.decoder import Decoder
from transfernas.policy.lstm import Lstm
from transfernas.policy.policy import Policy
from transfernas.policy.transformer import Transformer
from transfernas.spaces.tables import Tables
from transfernas.spaces.trajectory import Trajectory

Vector = Float[np.ndarray, "width"]
Matrix = Float[np.ndarray, "rows width"]
Weights = Any  # of numpy arrays, in float64
Steps = list[tuple[int, int]]  # decisions and the actions taken in them


def weights(policy: eqx.Module) -> Weights:
    """The leaves of one network by name, those of its parts among them; what is no array as it is."""
    found: dict[str, Any] = {}
    for name, value in vars(policy).items():
        if isinstance(value, eqx.Module):
            found |= weights(value)
        else:
            found[name] = value if isinstance(value, (str, int, type(None))) else np.asarray(value, np.float64)
    return found


def softmax(scores: np.ndarray) -> np.ndarray:
    exponentials = np.exp(scores - scores.max())
    return exponentials / exponentials.sum()


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def standardise(x: Vector) -> Vector:
    return (x - x.mean()) / np.sqrt(x.var() + 1e-5)


def layer_norm(x: Vector, scale: Vector, shift: Vector) -> Vector:
    return standardise(x) * scale + shift


def feed_forward(w: Weights, layer: int, x: Vector) -> Vector:
    hidden = np.maximum(x @ w["hidden"][layer] + w["hidden_bias"][layer], 0)
    return hidden @ w["out"][layer] + w["out_bias"][layer]


def attend(w: Weights, layer: int, x: Matrix, position: int, seen: int) -> tuple[Vector, np.ndarray]:
    """The attention of one position to the first `seen` positions, and its weights, a row a head."""
    width = x.shape[1]
    q, k, v = np.split(x @ w["query_key_value"][layer], 3, axis=1)
    size = width // w["heads"]
    mixed, rows = np.zeros(width), []
    for head in range(w["heads"]):
        part = slice(head * size, (head + 1) * size)
        row = softmax(np.array([q[position, part] @ k[other, part] / np.sqrt(size) for other in range(seen)]))
        mixed[part] = sum(row[other] * v[other, part] for other in range(seen))
        rows.append(row)
    return mixed, np.array(rows)


def encode(w: Weights, tokens: Matrix, causal: bool) -> tuple[Matrix, list[list[np.ndarray]]]:
    """The encoder over a whole sequence, and the attention weights by layer and position."""
    before = w["normalise"] == "before"
    x, attention = tokens, []
    for layer in range(len(w["hidden"])):
        norm, out_norm = w["attention_norm"][layer], w["out_norm"][layer]
        seen = np.array([layer_norm(row, *norm) for row in x]) if before else x
        out, rows = [], []
        for position in range(len(x)):
            mixed, row = attend(w, layer, seen, position, position + 1 if causal else len(x))
            y = x[position] + mixed @ w["attention_out"][layer]
            if before:
                out.append(y + feed_forward(w, layer, layer_norm(y, *out_norm)))
            else:
                y = layer_norm(y, *norm)
                out.append(layer_norm(y + feed_forward(w, layer, y), *out_norm))
            rows.append(row)
        x = np.array(out)
        attention.append(rows)
    return np.array([standardise(row) for row in x]) if before else x, attention


def lstm_outputs(w: Weights, sequence: Matrix) -> Matrix:
    """The outputs of the top layer, one for each input: one layer over the whole sequence after the other."""
    for layer in range(len(w["recurrent"])):
        below = w["input_weight"] if layer == 0 else w["between"][layer - 1]
        output = cell = np.zeros(len(w["recurrent"][layer]))
        outputs = []
        for x in sequence:
            gates = x @ below + output @ w["recurrent"][layer] + w["gate_bias"][layer]
            take, keep, show, new = gates.reshape(4, -1)
            cell = sigmoid(keep) * cell + sigmoid(take) * np.tanh(new)
            output = sigmoid(show) * np.tanh(cell)
            outputs.append(output)
        sequence = np.array(outputs)
    return sequence


def additive_attention(w: Weights, keys: Matrix, query: Vector) -> Vector:
    """The mean of the keys by their scores v . tanh(W key + U query) (Bahdanau et al. 2015)."""
    share = softmax(np.array([w["score"] @ np.tanh(key @ w["past"] + query @ w["now"]) for key in keys]))
    return np.asarray(sum(part * key for part, key in zip(share, keys, strict=True)))


def embeddings(w: Weights, tables: Tables, task: int, decision: int, action: int) -> Vector:
    state, row = tables.decisions.state[decision], tables.decisions.actions[decision, action]
    return np.concatenate([w["action"][row], w["task"][task], w["state"][state]])


def token(w: Weights, tables: Tables, task: int, decision: int, action: int, position: int) -> Vector:
    return embeddings(w, tables, task, decision, action) + w["position"][position]


def transformer_logits(policy: Transformer, tables: Tables, task: int, past: Steps, decision: int) -> np.ndarray:
    """The candidates' logits at one step; the sequence is encoded anew for each candidate."""
    w, m = weights(policy), len(past)
    tokens = [token(w, tables, task, *step, position) for position, step in enumerate(past)]
    state, logits = tables.decisions.state[decision], []
    for action in range(int(tables.decisions.available[decision].sum())):
        sequence = np.array([*tokens, token(w, tables, task, decision, action, m)])
        encoded, _ = encode(w, sequence, causal=policy.attention == "causal")
        logits.append(encoded[-1] @ w["logit_weight"][state] + w["logit_bias"][state])
    return np.array(logits)


def lstm_logits(policy: Lstm, tables: Tables, task: int, past: Steps, decision: int) -> np.ndarray:
    """The candidates' logits at one step; the past is read anew, and each action has an output row of its own."""
    w = weights(policy)
    outputs = lstm_outputs(w, np.array([embeddings(w, tables, task, *step) for step in past]))
    said = outputs[-1]
    if policy.anchors is not None:
        said = said + additive_attention(w, outputs, said)
    rows = tables.decisions.actions[decision, : int(tables.decisions.available[decision].sum())]
    return np.array([w["logit_weight"][row] @ said + w["logit_bias"][row] for row in rows])


def decoder_tokens(policy: Decoder, tables: Tables, task: int, steps: Steps) -> Matrix:
    """A token for each decision: the action before, the task, the state to decide."""
    w, tokens = weights(policy), []
    before = np.zeros(w["action"].shape[1])
    for position, (asked, action) in enumerate(steps):
        state = tables.decisions.state[asked]
        tokens.append(np.concatenate([before, w["task"][task], w["state"][state]]) + w["position"][position])
        before = w["action"][tables.decisions.actions[asked, action]]
    return np.array(tokens)


def decoder_logits(policy: Decoder, tables: Tables, task: int, past: Steps, decision: int) -> np.ndarray:
    """The candidates' logits at one step; the past is encoded anew, one token for each decision so far."""
    w = weights(policy)
    encoded, _ = encode(w, decoder_tokens(policy, tables, task, [*past, (decision, 0)]), causal=True)
    wanted = encoded[-1] @ w["logit_weight"][tables.decisions.state[decision]]
    rows = tables.decisions.actions[decision, : int(tables.decisions.available[decision].sum())]
    return np.array([w["action"][row] @ wanted + w["action_bias"][row] for row in rows])


LOGITS: dict[type[Policy], Callable[..., np.ndarray]] = {
    Transformer: transformer_logits,
    Decoder: decoder_logits,
    Lstm: lstm_logits,
}


def step_probabilities(policy: Policy, tables: Tables, trajectory: Trajectory) -> list[np.ndarray]:
    """pi(. | a_1, ..., a_m-1) for every step behind S."""
    steps = [(int(d), int(a)) for d, a in zip(trajectory.decisions, trajectory.actions, strict=True)]
    found = []
    for m in range(1, int(trajectory.length)):
        arguments = (tables, int(trajectory.task), steps[:m], steps[m][0])
        found.append(softmax(LOGITS[type(policy)](policy, *arguments)))
    return found


def log_prob(policy: Policy, tables: Tables, trajectory: Trajectory) -> float:
    taken = [int(action) for action in trajectory.actions[1 : int(trajectory.length)]]
    steps = step_probabilities(policy, tables, trajectory)
    return float(sum(np.log(pi[action]) for pi, action in zip(steps, taken, strict=True)))


def score(policy: Policy, tables: Tables, trajectory: Trajectory) -> float:
    """The log-probability of a trajectory less that under uniform draws."""
    sizes = [len(pi) for pi in step_probabilities(policy, tables, trajectory)]
    return log_prob(policy, tables, trajectory) + float(np.sum(np.log(sizes)))


def entropy(policy: Policy, tables: Tables, trajectory: Trajectory) -> float:
    steps = step_probabilities(policy, tables, trajectory)
    return -sum(float(np.sum(pi * np.log(pi))) for pi in steps) / len(steps)


def objective(
    policy: Policy,
    tables: Tables,
    sampled: Trajectory,
    advantage: float,
    queued: Trajectory,
    pqt: float,
    ent: float,
) -> float:
    """What equation (3) is the gradient of."""
    reinforce = advantage * log_prob(policy, tables, sampled)
    return reinforce + pqt * log_prob(policy, tables, queued) + ent * entropy(policy, tables, sampled)


def preferences(
    policy: Policy,
    tables: Tables,
    pairs: list[tuple[Trajectory, Trajectory, float]],
    scale: float,
    ent: float,
    imitation: Sequence[float],
) -> float:
    """How well a policy tells better from worse, for pairs (better, worse, weight), and the entropy of all.

    What each better one's log-probability weighs is added.
    """
    gaps = [score(policy, tables, better) - score(policy, tables, worse) for better, worse, _ in pairs]
    likelihoods = np.array([weight for *_, weight in pairs]) * np.log(sigmoid(scale * np.array(gaps)))
    entropies = [entropy(policy, tables, trial) for *both, _ in pairs for trial in both]
    imitated = [weight * log_prob(policy, tables, pair[0]) for pair, weight in zip(pairs, imitation, strict=True)]
    return float(np.mean(likelihoods) + np.mean(imitated) + ent * np.mean(entropies))


class TopQueue:
    """The priority queue of one problem as a list."""

    def __init__(self, size: int, ties: str, repeats: str) -> None:
        self.size, self.ties, self.repeats = size, ties, repeats
        self.items: list[tuple[tuple[int, ...], float]] = []

    def insert(self, sequence: tuple[int, ...], reward: float) -> None:
        for slot, (known, best) in enumerate(self.items):
            if known == sequence:
                self.items[slot] = (known, reward if self.repeats == "latest" else max(best, reward))
                return
        if len(self.items) < self.size:
            self.items.append((sequence, reward))
            return
        slot = min(range(self.size), key=lambda index: self.items[index][1])
        worst = self.items[slot][1]
        if reward > worst or (reward == worst and self.ties == "replace"):
            self.items[slot] = (sequence, reward)
