"""Other handlers of the same calls, to measure ours beside: each is started as Lambda starts it."""
