"""The Suricata engine: configuration, process, unix socket and EVE reader."""
