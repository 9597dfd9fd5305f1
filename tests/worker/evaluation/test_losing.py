"""Where people are lost: each step of each picture is looked at."""

from __future__ import annotations

from statistics import mean

from worker.engines.preview import PreviewEngine
from worker.evaluation.losing import STEPS, WHO, losses
from worker.evaluation.measures import SCRIPT
from worker.evaluation.suite import judges
from worker.identity.drawn import OF_PEOPLE


def test_each_attribute_is_looked_at_in_tokens_sketch_and_picture() -> None:
    found = losses(PreviewEngine.from_pretrained(steps=1), judges(), [0])
    assert len(found.replies) == len(SCRIPT)
    assert set(found.people) == {(name, people, step) for name in OF_PEOPLE for people in (1, 2) for step in STEPS}
    for people in (1, 2):
        assert mean(found.right[people, "real"]) > 0.7
        assert len({len(found.right[people, step]) for step in WHO}) == 1
    for name in OF_PEOPLE:
        for people in (1, 2):
            counts = [len(found.people[name, people, step]) for step in STEPS]
            assert counts == [counts[0]] * 3
            assert name == "hair" or counts[0] % people == 0
            assert mean(found.people[name, people, "tokens"]) > 0.3, (name, people)
