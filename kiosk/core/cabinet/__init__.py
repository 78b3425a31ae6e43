"""What the cabinet does about everything that happens to it: start with ``advance.py``."""
