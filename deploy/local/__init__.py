"""A real Apache Kafka and a real Postgres as child processes of whoever asks for them.

`stack.local_stack` starts both and stops both. Each child dies with the process that started it, a crash of any of
them leaves nothing that stops the next start, and an address in the environment replaces either part.
"""
