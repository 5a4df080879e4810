"""Application databases: what a version contains, how it is signed, fetched, kept and rolled back."""
