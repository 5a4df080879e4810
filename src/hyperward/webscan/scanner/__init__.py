"""The inline scanner: packets that start a request in; the same packets, answers or nothing out."""
