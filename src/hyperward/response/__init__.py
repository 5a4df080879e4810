"""What is done about a detection, beside dropping its packets."""
