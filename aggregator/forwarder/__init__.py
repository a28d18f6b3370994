"""Takes what the journal owes to each destination, and settles it."""

from aggregator.forwarder.desk import Timing
from aggregator.forwarder.forwarder import NO_PLANS, Forwarder, Plans
from aggregator.forwarder.points_open import Openers
from aggregator.forwarder.points_work import Metrics

__all__ = ["NO_PLANS", "Forwarder", "Metrics", "Openers", "Plans", "Timing"]
