"""Where a problem lives: boxes, shapes, what they leave, and points drawn in it."""
