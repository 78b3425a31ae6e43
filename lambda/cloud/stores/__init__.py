"""Where orders, cabinets and links are kept: one interface, and the stores behind it."""
