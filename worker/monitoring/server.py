"""The small HTTP server that Prometheus asks."""

import os

from prometheus_client import CollectorRegistry, start_http_server

from worker.errors import ConfigurationError
from worker.monitoring.exporter import Exporter


def serve_metrics(exporter: Exporter, host: str, port: int) -> None:
    """Answer `GET /metrics`, in a thread that ends with the process.

    Raises:
        ConfigurationError: nobody can listen there.
    """
    registry = CollectorRegistry()
    registry.register(exporter)
    try:
        start_http_server(port, host, registry)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise ConfigurationError(f"PREFECTURE_METRICS_PORT : {host}:{port} ne peut pas servir ({reason})") from None
