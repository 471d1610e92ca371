"""Storage, whatever format it is of: compressed files, frames, HDF5, CIF text, CBF files, pickles, texts, YAML."""
