"""What goes wrong in a way that is known."""


class DeployError(Exception):
    """One sentence for the operator: what is wrong, and what to do. It holds no secret."""


class NotTaken(DeployError):
    """A service does not take a key or an account: another one is needed."""
