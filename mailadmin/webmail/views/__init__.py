"""The pages of the viewer, one module per kind of page."""
