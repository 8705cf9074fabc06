"""Bytes in and out: whole files or none, plain YAML, HDF5 from strangers, locks on folders."""
