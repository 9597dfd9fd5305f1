"""Where somebody is lost on the way to a picture of the preview engine: in words, in visual tokens, in the sketch, by the DiT.

    python -m worker.evaluation.losing 10

Ten dialogues of the validation split, which training never saw and on which its choices are made; each step is looked at by
the reader of attributes, or compared with the labels. So is what is told of somebody by a picture that introduces them.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import mean
from uuid import UUID

from rich.console import Console
from rich.table import Table

from worker.engines.contract import Drawing, OnStep, Reading
from worker.engines.preview.engine import Plan, PreviewEngine
from worker.engines.preview.faces import HEAD
from worker.engines.preview.painter import Painter
from worker.engines.preview.references import ALONE
from worker.evaluation.measures import SCRIPT, Judges, as_told, gallery, judged
from worker.evaluation.suite import judges
from worker.evaluation.talk import Talk
from worker.history.segments import SegmentStore
from worker.identity.compositions import FRAMINGS
from worker.identity.drawn import OF_PEOPLE
from worker.training.dialogues import Teller
from worker.training.scenes import PLACES, Shot, draw_shot
from worker.training.stories import scripted
from worker.training.views import FAMILY, LABELS, NOBODY, labels_of, member, some_look

SPLIT = "validation"
RECOGNIZED = 200  # people of whom a picture is shown
STEPS = ("tokens", "sketch", "picture")
WHO = ("real", "said", "sketch", "picture")
"""What the meter looks at: real pictures of the people, and of people in the colours that words name; and two steps."""


@dataclass
class Losses:
    """Whether replies are the expected ones, and attributes right: by attribute, people in the picture, and step.

    And whether the meter finds the right person in their gallery, as in `measures`: by people in the picture, and step.
    """

    replies: list[bool] = field(default_factory=list)
    right: dict[tuple[int, str], list[bool]] = field(default_factory=dict)
    people: dict[tuple[str, int, str], list[bool]] = field(default_factory=dict)

    def note(self, attribute: str, people: int, step: str, right: Sequence[bool]) -> None:
        """At a step, an attribute of so many people was right or not."""
        self.people.setdefault((attribute, people, step), []).extend(right)


class _Noting(PreviewEngine):
    """The same engine, which remembers what it drew last."""

    plan: Plan | None = None

    def draw(self, reading: Reading, *, turn_id: UUID, seed: int, on_step: OnStep) -> Drawing:
        assert isinstance(reading.plan, Plan)
        self.plan = reading.plan
        return super().draw(reading, turn_id=turn_id, seed=seed, on_step=on_step)


def losses(engine: PreviewEngine, looked_at_by: Judges, seeds: Sequence[int]) -> Losses:
    """Have the dialogues of the seeds, and look at each step of each picture."""
    found = Losses()
    noting = _Noting(
        engine.reader, engine.painter, engine.fingerprint, vocabulary=engine.vocabulary, spelling=engine.spelling
    )
    for seed in seeds:
        story = scripted(seed, SPLIT, SCRIPT)
        pictured: set[int] = set()
        talk = Talk(noting, seed=seed, segments=SegmentStore(memory_bytes=2**28))
        for said in Teller(story, seed, SPLIT, thorough=True).tell():
            pictures = [] if said.attached_from is None else [draw_shot(story.shot(said.attached_from))]
            drawn = talk.say(said.message, pictures)
            if said.turn is None:
                continue
            pictured.update(story.turns[said.turn].new if said.attached else ())
            found.replies.append(drawn.reply == said.reply.strip())
            plan, shot = noting.plan, story.shot(said.turn)
            if drawn.picture is None or plan is None or plan.read.picture is None:
                continue
            sketched = noting.painter.sketched(plan.read.picture, plan.appearances, plan.known)
            assert sketched is not None, "this engine looks at references"
            (people, *_), sketch = sketched
            read = [
                one.argmax(dim=-1)[0]
                for one in people.split_with_sizes([len(LABELS[name]) for name in OF_PEOPLE], dim=-1)
            ]
            seen_at = {"sketch": noting.painter.picture(sketch), "picture": drawn.picture}
            looked = {step: looked_at_by.reader.read(picture) for step, picture in seen_at.items()}
            seen = {step: judged(one, shot) for step, one in looked.items()}
            cast = story.turns[said.turn].scene.cast
            real = {"real": shot, "said": as_told(story, said.turn, pictured)}
            drawn_anew = {step: draw_shot(replace(one, seed=one.seed + 1)) for step, one in real.items()}
            for step, picture in {**drawn_anew, **seen_at}.items():
                there = looked.get(step)
                framing, count = (shot.framing, len(cast)) if there is None else (there.framing, len(there.people))
                embedded = looked_at_by.meter.embed(picture, framing, count)
                found.right.setdefault((len(cast), step), []).extend(
                    count == len(cast)
                    and int((gallery(looked_at_by, story.people[who], seed, SPLIT) @ embedded[place]).argmax()) == 0
                    for place, who in enumerate(cast)
                )
            for attribute, labels, values in zip(OF_PEOPLE, zip(*labels_of(shot)[1], strict=True), read, strict=True):
                told = [
                    int(value) == label
                    for value, label in zip(values[: len(labels)], labels, strict=True)
                    if label != NOBODY
                ]
                found.note(attribute, len(labels), "tokens", told)
                for step, right in seen.items():
                    found.note(
                        attribute,
                        len(labels),
                        step,
                        right.get(attribute, []) if all(right["count"]) else [False] * len(told),
                    )
    return found


def recognized(painter: Painter, count: int) -> tuple[list[bool], list[bool]]:
    """Whether all that stays with somebody, and glasses, is told of pictures of so many: by the tokens alone, and recognized."""
    found: tuple[list[bool], list[bool]] = [], []
    for number in range(count):
        rng = random.Random(f"recognized {number}")
        person = member("recognized", number * FAMILY, SPLIT)
        scene = rng.choice(list(PLACES)), rng.random() < 0.5, rng.choice(list(FRAMINGS)), rng.randrange(2**30)
        picture = draw_shot(shot := Shot(((person, some_look(rng)),), *scene))
        (labels,) = labels_of(shot)[1]
        visual = painter.tokens_of(picture)
        for right, seen in zip(found, (None, picture), strict=True):
            known = painter.known_of(visual, ALONE, seen)
            right.append(
                known is not None
                and all(
                    label in (value, NOBODY) for value, label in zip(known.values[HEAD:], labels[HEAD:], strict=True)
                )
            )
    return found


def main() -> None:
    """Print how often each attribute is right at each step, and how many people are recognized in pictures."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    engine = PreviewEngine.from_pretrained()
    found = losses(engine, judges(), range(count))
    table = Table("attribute", *(f"{people} {step}" for people in ("one:", "two:") for step in STEPS))
    for attribute in OF_PEOPLE:
        shares = (mean(found.people[attribute, people, step]) for people in (1, 2) for step in STEPS)
        table.add_row(attribute, *(f"{share:.0%}" for share in shares))
    who = Table("the right one of 100", *(f"{people} {step}" for people in ("one:", "two:") for step in WHO))
    who.add_row("", *(f"{mean(found.right[people, step]):.0%}" for people in (1, 2) for step in WHO))
    console = Console()
    console.print(table)
    console.print(who)
    console.print(f"{mean(found.replies):.0%} of {len(found.replies)} replies are word for word the expected ones.")
    by_tokens, by_sketches = recognized(engine.painter, RECOGNIZED)
    console.print(
        f"Of {RECOGNIZED} people alone in a picture tokens tell {mean(by_tokens):.1%}, and sketches {mean(by_sketches):.1%}."
    )


if __name__ == "__main__":
    main()
