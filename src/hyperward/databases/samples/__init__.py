"""Built-in samples: attacks that a version should catch, and harmless traffic that it must leave alone."""
