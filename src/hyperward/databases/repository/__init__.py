"""The publishing side: a folder of signed versions that any file or web server can hand out.

- `metadata/`: `N.root.json`, `N.targets.json`, `N.snapshot.json`, `timestamp.json`: what readers trust (TUF, consistent
  snapshots).
- `targets/`: `HASH.manifest.json`, `content/HASH.PLAIN_HASH.gz`: what they fetch.
- `staged/`: `ROLE.json`: waits for signatures; no reader looks here.
"""
