"""The cloud on one machine, with a simulator of Stripe and an MQTT broker of its own."""
