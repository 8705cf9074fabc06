"""From a model and a problem to a trained field."""
