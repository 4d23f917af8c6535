"""Template filters of the viewer."""
