"""Work on many items: threads in order, groups of outputs that appear together, plans for many machines."""
