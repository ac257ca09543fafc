"""Kafka: topics from one declaration, a publisher that waits for acks, batch subscribers, dead letters."""
