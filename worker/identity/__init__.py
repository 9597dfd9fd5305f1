"""Whether two pictures show the same character.

It knows pictures and people. It does not know turns, histories, engines or Celery.
"""
