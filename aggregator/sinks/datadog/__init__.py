"""Datadog: logs over the v2 intake, zstd; the official client for the control plane only."""
