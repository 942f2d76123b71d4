"""RabbitMQ and Dramatiq, without business rules: receives messages safely, acknowledges or dead-letters each."""
