"""What is done with codes: refining them, priors that are fitted to them, draws."""
