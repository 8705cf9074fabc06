"""From the data of a problem file to a Problem: each key read, names resolved, `auto` put in."""
