"""The grid task: corpus, beta-VAE, KL schedules, pictures."""
