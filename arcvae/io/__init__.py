"""Files, read strictly and written atomically; locks; and rules for the values of settings."""
