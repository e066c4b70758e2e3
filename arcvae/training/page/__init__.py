"""The page of a run: one HTML file that needs nothing else, to look at and to share."""
