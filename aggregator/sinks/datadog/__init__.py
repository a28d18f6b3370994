"""Datadog: logs over the v2 intake, metrics over v2 series and v1 distributions; the official client for the control plane only."""
