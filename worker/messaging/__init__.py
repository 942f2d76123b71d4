"""RabbitMQ and Dramatiq, and nothing of the trade: how a message arrives safely, is answered, or is put aside."""
