"""What reads and draws: the Celery app, the life of a claimed turn, engines, their history and their training."""
