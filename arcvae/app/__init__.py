"""What the commands share: composing and checking a config, building objects, and the jobs that they run."""
