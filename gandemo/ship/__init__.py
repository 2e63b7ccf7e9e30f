"""Shipping: a run's checkpoint measured, described and laid where others find it."""
