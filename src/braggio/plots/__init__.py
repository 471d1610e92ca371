"""Pictures; matplotlib is imported by the functions that draw."""
