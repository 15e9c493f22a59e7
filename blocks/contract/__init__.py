"""The block contract: everything that somebody who writes a block imports, and what whoever runs blocks calls.

@block(...)            a function becomes a `Block`: models, schemas, defaults
    │
Block.bind(phase, …)   arguments are checked against its model; what comes back is ready to call
    │
outcome(result)        whatever the function returned or raised becomes one of five frozen values
"""

from blocks.contract.context import BlockContext
from blocks.contract.definition import Block, block
from blocks.contract.outcomes import Expired, Failed, Outcome, Skipped, Succeeded, Waiting, outcome
from blocks.contract.results import BlockError, Signal, Skip, TimedOut, Wait
from blocks.contract.signatures import BlockDefinitionError
from engine.documents import Retry

__all__ = [
    "Block",
    "BlockContext",
    "BlockDefinitionError",
    "BlockError",
    "Expired",
    "Failed",
    "Outcome",
    "Retry",
    "Signal",
    "Skip",
    "Skipped",
    "Succeeded",
    "TimedOut",
    "Wait",
    "Waiting",
    "block",
    "outcome",
]
