"""TransferNAS: search architectures and hyperparameters with an agent that transfers its knowledge to new searches.

The agent implements "Transfer NAS: Knowledge Transfer between Search Spaces with Transformer Agents" (Borsos, Khorlin,
Gesmundo 2019).
"""

from .processes import runtime as runtime  # isort: skip  (sets up JAX before anything imports it)
from .agent import Agent as Agent
from .baselines.evolution import RegularizedEvolution as RegularizedEvolution
from .baselines.random import RandomSearch as RandomSearch
from .checkpoint.snapshot import CheckpointError as CheckpointError
from .learning.bandit import ExplorationConfig as ExplorationConfig
from .learning.config import BestOf as BestOf
from .learning.config import ProposalConfig as ProposalConfig
from .learning.config import SurrogateConfig as SurrogateConfig
from .learning.config import TrainingConfig as TrainingConfig
from .learning.config import TransferConfig as TransferConfig
from .learning.config import UniformConfig as UniformConfig
from .learning.preferences import Preferences as Preferences
from .learning.priority_queue import QueueConfig as QueueConfig
from .learning.reinforce import Reinforce as Reinforce
from .learning.thompson import BanditConfig as BanditConfig
from .policy.architecture import DecoderConfig as DecoderConfig
from .policy.architecture import LstmConfig as LstmConfig
from .policy.architecture import TransformerConfig as TransformerConfig
from .searcher import Searcher as Searcher
from .spaces.choice import Choice as Choice
from .spaces.choice import Repeat as Repeat
from .spaces.condition import And as And
from .spaces.condition import Equal as Equal
from .spaces.condition import In as In
from .spaces.condition import Not as Not
from .spaces.condition import Or as Or
from .spaces.domain import Range as Range
from .spaces.drawing import merged_dot as merged_dot
from .spaces.drawing import merged_mermaid as merged_mermaid
from .spaces.problem import Observation as Observation
from .spaces.problem import Problem as Problem
from .spaces.problem import Trial as Trial
from .spaces.space import SearchSpace as SearchSpace
from .spaces.vocabulary import TransferReport as TransferReport
from .version import __version__ as __version__
