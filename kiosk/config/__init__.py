"""The operator's config file."""
