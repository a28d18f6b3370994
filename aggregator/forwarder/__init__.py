"""Takes what the journal owes to each destination, and settles it."""

from aggregator.forwarder.desk import Timing
from aggregator.forwarder.forwarder import Forwarder

__all__ = ["Forwarder", "Timing"]
