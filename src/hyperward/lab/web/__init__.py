"""Web addresses in the lab: dangerous and clean sites, who asks for them how, and what has to become of it."""
