"""The prediction API: stored forecasts and live ones, with keys, an audit trail and A/B routing."""
