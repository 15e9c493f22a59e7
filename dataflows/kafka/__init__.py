"""Kafka as the engine's event log: only the modules in here know its client.

connection.py   the brokers, and the names of topics and groups      errors.py   what can be wrong, in sentences
topics.py       makes the topics
publishing.py   records ─► acknowledged by the broker
consuming.py    messages of a consumer group ─► a source, whose offsets are committed when all is in the store
changes.py      the topic of changes ─► the runs to look at
"""
