"""What the runner refuses, in one line that a person can act on."""


class RunnerError(Exception):
    """Something in the data, the workspace or the market stops the work; the message says what and what to do."""
