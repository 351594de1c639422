"""The prediction API: stored forecasts and live ones, with keys, an audit audit writer and A/B routing."""
