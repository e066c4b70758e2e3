"""What is done with codes: refining, priors, draws."""
