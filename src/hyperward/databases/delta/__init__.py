"""The way from one version to the next in few bytes."""
