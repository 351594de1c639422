"""The web workplace of planners: pages that the server renders, from the database alone."""
