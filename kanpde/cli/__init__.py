"""Words of the command line, turned into calls: a command is a file, and a row in the table of `main`."""
