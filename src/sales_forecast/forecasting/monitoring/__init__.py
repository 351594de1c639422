"""Is the forecast still right, and what follows if it is not: alarms with known false-alarm rates."""
