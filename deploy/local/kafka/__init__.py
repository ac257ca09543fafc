"""One Apache Kafka broker (KRaft, combined roles): its jars by checksum, its settings, its life."""
