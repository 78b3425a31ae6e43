"""Broker, cloud, network and clock: what the engine reaches the outside with."""
