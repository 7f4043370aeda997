"""The whole loop in one command, over the same HTTP API that phones and agents use: ask, observe, verify, pay, learn."""
