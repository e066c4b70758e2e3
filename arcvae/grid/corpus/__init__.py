"""Grids as data: the generator, corpus files, augmentation, batches."""
