"""The sidecar: tails files, samples the pod, ships both to the aggregator."""
