"""The parts of `bench/web.py`: a ground of namespaces, loads, guards, and what their numbers come to."""
