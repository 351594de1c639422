"""The HTTP API: stored forecasts and live predictions, with API keys, an audit log and A/B experiments."""
