"""One module per resource: what it shows and accepts, how it is filtered, and its endpoints."""
