"""How files are read strictly and written atomically, and what the value of a setting may be."""
