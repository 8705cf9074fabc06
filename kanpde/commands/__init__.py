"""Commands that are a module each: a row in the table of `kanpde.cli`."""
