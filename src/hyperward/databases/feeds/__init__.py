"""Threat intelligence feeds: MISP events and STIX 2.1 bundles, as indicators of dangerous addresses."""
