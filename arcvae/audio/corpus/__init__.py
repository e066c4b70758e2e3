"""Clips as data: synthesis, recordings, corpus files, batches."""
