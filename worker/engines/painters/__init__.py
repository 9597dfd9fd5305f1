"""Painters of published models, each in a module of its own; what they have in common is `worker.engines.published.painter`."""
