"""Where the content of databases comes from: the file of sources, and how each source is fetched."""
