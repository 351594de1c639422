"""Routes of the API: they validate requests, and leave the work to models, database and cache."""
