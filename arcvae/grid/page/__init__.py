"""What the page of a run on grids has beyond that of any run: an explorer of codes of objects."""
