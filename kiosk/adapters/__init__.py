"""The engine's connections to the outside: broker, cloud and clock."""
