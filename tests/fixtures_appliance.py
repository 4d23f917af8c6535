"""A whole running appliance on free ports."""
