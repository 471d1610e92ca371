"""Work on many items: threads in order, and groups of outputs that appear together."""
