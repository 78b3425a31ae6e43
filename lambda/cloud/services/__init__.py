"""What the cloud does, one module for each thing: the order's way from payment to charge."""
