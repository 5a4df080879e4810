"""Other people's lists of addresses, read into entries of an address database."""
