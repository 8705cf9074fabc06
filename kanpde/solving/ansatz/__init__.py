"""How a network becomes a candidate solution: conditions built in, kinks rounded, round shapes."""
