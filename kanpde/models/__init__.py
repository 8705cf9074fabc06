"""What approximates: univariate bases and linear maps, networks of them, exact derivatives; knows no problem."""
