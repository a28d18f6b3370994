"""Takes what the journal owes to each destination, and settles it."""

from aggregator.forwarder.desk import Timing
from aggregator.forwarder.forwarder import Forwarder
from aggregator.forwarder.points_open import Openers
from aggregator.forwarder.points_work import Metrics

__all__ = ["Forwarder", "Metrics", "Openers", "Timing"]
