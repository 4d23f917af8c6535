"""One command, or close family of commands, per module: async generators of responses."""
