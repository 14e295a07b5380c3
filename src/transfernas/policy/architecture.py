"""The shape of the policy networks and how they are initialised."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

Attention = Literal["causal", "bidirectional"]
Network = Literal["transformer", "decoder", "lstm"]
Normalise = Literal["after", "before"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """The network of the paper's figure 2, or its rival; the defaults are the paper's, or ours where it is silent.

    Attributes:
        network: "transformer" is the paper's; "decoder" encodes the actions taken instead of those to choose from, so
            that a trajectory costs a fraction; "lstm" is the rival of the paper's section 4.1 (after Zoph and Le 2017).
        attention: "bidirectional" is the paper's encoder, in which each candidate re-encodes the whole sequence;
            "causal" lets a position see only earlier ones, so that the past is encoded once.
        embedding_size: of states, actions and tasks each; the token is three times as wide. Paper: 8.
        layers: attention layers. Paper: 2.
        heads: attention heads. Paper: 1.
        feed_forward: width of the hidden layer after each attention. Open in the paper.
        normalise: "after" each residual sum, as in Vaswani et al. 2017, or "before" each part, and at the end. Open.
        lstm_units: width of the LSTM; 48 make as many parameters as the Transformer has. Open.
        lstm_layers: LSTM layers, one on the other. Open.
        lstm_anchors: whether the LSTM attends to its past outputs, the anchor points of Zoph and Le 2017.
        embedding_scale: standard deviation of the initial embeddings of actions. Open in the paper.
        context_scale: the same for states and tasks, which are equal for all actions to choose from. Open in the paper.
        position_scale: standard deviation of the initial positional encodings. Open in the paper.
        weight_scale: initial weight matrices have this standard deviation over the root of their inputs. Open.
        logit_scale: the same for the layers that give the logits; small, so that a new policy is nearly uniform. Open.
    """

    network: Network = "transformer"
    attention: Attention = "causal"
    embedding_size: int = 8
    layers: int = 2
    heads: int = 1
    feed_forward: int = 96
    normalise: Normalise = "after"
    lstm_units: int = 48
    lstm_layers: int = 1
    lstm_anchors: bool = False
    embedding_scale: float = 1.0
    context_scale: float = 1.0
    position_scale: float = 0.1
    weight_scale: float = 1.0
    logit_scale: float = 0.1

    @property
    def width(self) -> int:
        """The width of a token: action, task and state embedding side by side."""
        return 3 * self.embedding_size


class Capacity(NamedTuple):
    """How many rows the tables of a network have room for; powers of two, so that a new name rarely changes a shape."""

    states: int
    actions: int
    tasks: int
    steps: int
