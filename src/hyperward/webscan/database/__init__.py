"""The address database: one immutable file per version, mapped into memory and shared by all processes."""
