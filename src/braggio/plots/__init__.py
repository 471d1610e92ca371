"""Pictures; Pillow and matplotlib are imported by the functions that draw."""
