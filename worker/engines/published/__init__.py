"""Engines of published models: a reader that all of them share, and a painter of its own each, behind one engine."""
