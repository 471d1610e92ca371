"""Speed, measured so that it can be believed: ``python -m bench [name ...]``, see runner.py."""
