"""How well an engine draws what was said, and keeps people the same: dialogues, measures, and a report of figures.

It drives any engine through its contract, in this process. It does not know Celery or the database.
"""
