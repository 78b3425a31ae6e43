"""The services of others: Stripe, and the MQTT broker."""
