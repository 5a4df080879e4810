"""The receiving side: fetch a version from a folder or a web server, and trust nothing but the root given at set-up."""
