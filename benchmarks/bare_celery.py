"""The baseline that a turn's overhead is measured against: the smallest task that Celery can answer."""

import os

import redis
from celery import Celery

ANSWERS = "baseline-answers"

app = Celery("baseline", broker=os.environ.get("BASELINE_BROKER"), set_as_current=False)
app.conf.update(task_ignore_result=True, task_default_queue="baseline")


@app.task(name="baseline.answer")
def answer() -> None:
    """Answer."""
    redis.Redis.from_url(os.environ["BASELINE_BROKER"]).rpush(ANSWERS, 1)
