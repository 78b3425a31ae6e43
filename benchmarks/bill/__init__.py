"""The month's bill of a fleet: what a payment and an hour of a cabinet use, and what that costs."""
