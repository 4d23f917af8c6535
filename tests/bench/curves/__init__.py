"""The growth curves: one module for each thing that may become large."""
