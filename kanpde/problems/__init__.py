"""What is asked: problem files, the language of their expressions, geometry, checks."""
