"""What comes in over HTTP: routes, who calls, what bodies say, and the pages for phones."""
