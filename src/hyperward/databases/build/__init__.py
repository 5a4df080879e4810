"""From sources to the files of a version: rules that the engine accepts, address lists in canonical form, reports."""
