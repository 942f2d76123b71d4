"""What operators look at: figures read from the rows and from the broker, shown to Prometheus."""
