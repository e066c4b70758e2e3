"""What a model of grids has learned, in figures and pictures."""
