"""The programs of the peers; each runs in its environment, and they import nothing but one another."""
