"""Latent codes for symbolic grids, learned from classes of wildly different frequency; see README.md."""
