"""The message viewer."""
