"""The kiosk's rules: pure functions and frozen dataclasses, without I/O and without clocks."""
