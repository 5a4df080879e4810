"""Exclusions: traffic that is not scanned, or only reported. Ordered rows, of which the first that matches holds.

Pure. `rows` is what people write, `image` what the kernel is given, `match` the plain meaning that the image is tested
against.
"""
