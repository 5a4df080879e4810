"""Kernel steering: the tc program, its typed maps, and how it is loaded, attached and adopted."""
