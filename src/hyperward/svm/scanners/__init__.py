"""The web scanners as the daemon sees them: processes that are kept running, and the settings that they follow."""
