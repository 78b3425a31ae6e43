"""The journal: what the cabinet writes before it acts, and reports made of it."""
