"""Deliveries: what a retailer sends each week, checked before anything else sees it, and kept."""
