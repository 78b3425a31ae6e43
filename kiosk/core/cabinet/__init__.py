"""The cabinet's rules: state, events in, effects out."""
