"""Prometheus remote write 1.0: VictoriaMetrics, Prometheus, Amazon Managed Prometheus, Mimir, Thanos."""
