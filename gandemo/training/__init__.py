"""Training: the losses, the events, the one loop."""
