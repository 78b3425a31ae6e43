"""The cabinet's screen: views in, pixels out. The only package that knows pygame."""
