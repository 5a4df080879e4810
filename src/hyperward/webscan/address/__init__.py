"""Web addresses in one canonical form, and the expressions under which a database may list them."""
