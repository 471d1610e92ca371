"""Nouns: data and their invariants, without bytes and without kernels."""
