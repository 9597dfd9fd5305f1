"""Painters: published models that make a picture of a prompt and of pictures to look at."""
