"""The whole loop on one machine: sandbox and kiosk as they are, and a page to look at them."""
