"""The cloud on one machine, with stand-ins for what cannot be had on a desk."""
