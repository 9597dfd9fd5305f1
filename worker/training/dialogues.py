"""Puts stories into words: what a person writes, and what Likeness replies before it draws.

The reply states everything that the picture will show, the choices that the message left open included: so the MLLM has
decided who somebody is before it regresses visual tokens, and regression never has to average over people. Deterministic
by seed; phrasings are split by hash, so that the test split is worded in ways that training never saw.
"""

from __future__ import annotations

import hashlib
import random
import string
from dataclasses import dataclass

from worker.engines.preview.references import ALONE, LEFT, RIGHT
from worker.engines.preview.replies import FOREIGN, UNCLEAR, UNKNOWN
from worker.training.people import BEARDS, CLOTH, EXPRESSIONS, GLASSES, HAIRLESS, HEADS, HEADWEAR, Person
from worker.training.stories import NAMES, Scene, Story, Turn

ABOUT = "I draw illustrated people and keep them the same through our conversation. Tell me whom to draw and where."
WELCOME = "You are welcome. Tell me what to draw next."

PLACE_WORDS = {
    "beach": ("on the beach", "at the beach", "by the sea", "on a sandy shore", "at the seaside", "by the ocean"),
    "forest": ("in the forest", "in the woods", "among the trees", "in a forest"),
    "street": ("on a city street", "in the city", "in the street", "downtown", "in town", "among tall buildings"),
    "café": ("in a café", "in the cafe", "at a coffee shop", "having coffee", "in the coffee house"),
    "library": ("in the library", "among books", "in a library", "between bookshelves"),
    "mountains": ("in the mountains", "in front of mountains", "in the Alps", "hiking in the mountains"),
    "snow": ("in the snow", "in a snowy field", "in winter", "while it snows"),
    "bedroom": ("in the bedroom", "in bed", "in a bedroom", "at home in the bedroom"),
    "kitchen": ("in the kitchen", "cooking in the kitchen", "in a kitchen", "cooking"),
    "park": ("in the park", "on a meadow", "in a garden", "among flowers", "in a park"),
    "space": ("in space", "in outer space", "among the stars and planets", "near a planet"),
    "stage": ("on stage", "on a stage", "in a theatre", "in the theater", "in front of a curtain"),
}
ORDINALS = (
    *("first", "second", "third", "fourth", "fifth", "sixth"),
    *("seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth"),
)
PLACE_NAMES = {
    **{place: (place,) for place in PLACE_WORDS},
    "street": ("city", "street"),
    "café": ("café", "cafe"),
    "stage": ("stage", "theatre"),
}
NIGHT_WORDS = {
    True: ("at night", "by night", "in the dark", "after dark", "under the moon"),
    False: ("by day", "in daylight", "during the day", "in the daytime", "on a sunny day"),
}
FRAMING_WORDS = {
    "close-up": ("close-up", "closeup", "close up", "face shot", "tight shot"),
    "portrait": ("portrait", "head and shoulders shot", "bust", "medium shot"),
    "wide": ("wide shot", "long shot", "picture from far away", "wide view", "full view"),
}
EXPRESSION_WORDS = {
    "smile": ("smiling", "happy", "with a smile", "friendly"),
    "smileBig": ("grinning", "with a big grin", "with a broad smile", "very happy"),
    "smileLOL": ("laughing", "laughing out loud", "in tears of laughter", "cracking up"),
    "calm": ("calm", "relaxed", "content", "peaceful"),
    "serious": ("serious", "with a serious face", "stern", "unimpressed"),
    "rage": ("furious", "enraged", "raging", "screaming with rage"),
    "veryAngry": ("angry", "mad", "grumpy", "cross"),
    "solemn": ("sad", "unhappy", "gloomy", "downcast"),
    "tired": ("tired", "exhausted", "weary", "worn out"),
    "awe": ("amazed", "astonished", "in awe", "surprised"),
    "fear": ("scared", "afraid", "frightened", "terrified"),
    "cheeky": ("cheeky", "with a cheeky look", "mischievous", "playful"),
    "suspicious": ("suspicious", "sceptical", "doubtful", "distrustful"),
    "concerned": ("worried", "concerned", "anxious", "nervous"),
    "eyesClosed": ("sleepy", "with closed eyes", "dozing", "half asleep"),
    "explaining": ("talking", "explaining something", "speaking", "telling a story"),
    "lovingGrin1": ("in love", "lovestruck", "with hearts in the eyes", "smitten"),
    "cute": ("winking", "with a wink", "giving a wink"),
}
EXPRESSION_VERBS = {
    "smile": ("smile", "be happy"),
    "smileBig": ("grin",),
    "smileLOL": ("laugh", "laugh out loud", "crack up"),
    "calm": ("relax", "calm down"),
    "rage": ("scream with rage", "rage"),
    "solemn": ("be sad", "mope"),
    "awe": ("marvel",),
    "fear": ("be afraid",),
    "concerned": ("worry",),
    "eyesClosed": ("doze", "close {} eyes", "sleep"),
    "explaining": ("talk", "speak", "explain something"),
    "lovingGrin1": ("fall in love",),
    "cute": ("wink",),
}
HEAD_WORDS: dict[str, tuple[str, ...]] = {
    "afro": ("an afro", "afro hair"),
    "bangs2": ("a bob cut with bangs", "a bob and a fringe"),
    "cornrows": ("braids", "long braided hair"),
    "dreads1": ("dreadlocks", "long dreadlocks"),
    "dreads2": ("short dreadlocks",),
    "hatBeanie": ("a knitted cap",),
    "hatHip": ("a hat", "a big hat"),
    "long": ("long hair", "wavy hair"),
    "longCurly": ("curly hair", "long curls", "big curls"),
    "longBangs": ("long hair with bangs",),
    "medium1": ("a bob", "short bobbed hair"),
    "medium3": ("medium-length hair",),
    "mediumStraight": ("straight hair", "long sleek hair"),
    "noHair1": ("no hair", "a shaved head"),
    "short1": ("very short hair", "cropped hair"),
    "short2": ("short hair",),
    "short3": ("curly short hair",),
    "short5": ("messy short hair", "tousled hair"),
    "shaved3": ("spiky hair", "wild hair"),
    "bun": ("hair in a bun", "a top knot"),
    "mohawk": ("a mohican",),
}
SKIN_WORDS = {
    "pale": ("pale skin", "very fair skin", "light skin"),
    "fair": ("fair skin", "a fair complexion"),
    "tan": ("tan skin", "tanned skin"),
    "olive": ("olive skin", "an olive complexion"),
    "brown": ("brown skin", "a brown complexion"),
    "dark brown": ("dark brown skin", "dark skin"),
    "very dark": ("very dark skin", "deep black skin"),
}
COLOUR_WORDS = {
    "blond": ("blond", "blonde", "golden"),
    "grey": ("grey", "gray"),
    "ginger": ("ginger", "orange"),
    "red": ("red",),
}
GLASSES_WORDS = {
    "glasses": ("round glasses", "glasses", "spectacles"),
    "glasses3": ("thick black glasses", "black-rimmed glasses"),
    "glasses4": ("white glasses", "white-rimmed glasses"),
    "sunglasses": ("sunglasses", "shades"),
    "eyepatch": ("an eyepatch", "an eye patch"),
}
BEARD_WORDS = {
    "full": ("a short beard", "a beard"),
    "full3": ("a long beard", "a big beard"),
    "moustache6": ("a moustache", "a mustache"),
}
GARMENTS = ("top", "shirt", "sweater", "T-shirt", "jumper")
FOREIGN_TEXTS = (
    *(
        "Zeichne {name} am Strand mit roten Haaren",
        "Kannst du {name} im Wald malen?",
        "Ein Bild von {name} bei Nacht bitte",
    ),
    *(
        "Dessine {name} à la plage",
        "Peux-tu dessiner {name} dans la forêt ?",
        "{name} avec les cheveux roux, s'il te plaît",
    ),
    *(
        "Dibuja a {name} en la playa",
        "¿Puedes dibujar a {name} por la noche?",
        "Quiero una foto de {name} en la ciudad",
    ),
    *(
        "{name}をビーチで描いてください",
        "夜の{name}の絵を描いて",
        "森の中の女の子",
        "画一张{name}在海滩上的画",
        "请画一个红头发的女孩",
    ),
    *(
        "Disegna {name} sulla spiaggia",
        "Нарисуй {name} на пляже",
        "ارسم {name} على الشاطئ",
        "Desenhe {name} na praia",
        "Teken {name} op het strand",
    ),
)
UNCLEAR_TEXTS = (
    "asdf",
    "qwerty uiop",
    "???",
    "...",
    "🦊",
    "😂😂😂",
    "👍",
    "🦄🌈✨",
    "hmm",
    "lkjh sdfg",
    "12345",
    "xyzzy",
    "❤️",
    "🎉",
    "mnbvc",
    "!!",
    "ok so",
    "blah blah",
)
ABOUT_TEXTS = (
    "What can you do?",
    "Who are you?",
    "help me",
    "how does this work",
    "What are you?",
    "hello",
    "hi there",
    "hey",
    "Good morning!",
    "can you draw?",
)
THANKS_TEXTS = ("thanks", "thank you!", "great, thanks", "nice", "I love it", "perfect, thank you", "well done", "cool")


@dataclass(frozen=True, slots=True)
class Seen:
    """Somebody of a picture as another turn's picture showed them; where they stand here, and stood there."""

    turn: int
    stands: int
    stood: int


@dataclass(frozen=True, slots=True)
class Said:
    """A turn in words. `turn` is the number of the story's turn that is drawn, or None for a reply without a picture.

    `attached` names the person whose reference picture, that of the story's turn `attached_from`, comes with the message.
    `seen` are references of those in the picture who are known already.
    """

    message: str
    reply: str
    turn: int | None
    attached: tuple[str, ...] = ()
    attached_from: int | None = None
    seen: tuple[Seen, ...] = ()


def place_in(cast: tuple[int, ...], who: int) -> int:
    """Where somebody stands in a picture: ALONE, LEFT or RIGHT."""
    return ALONE if len(cast) == 1 else (LEFT, RIGHT)[cast.index(who)]


class Teller:
    """Words of one dialogue; `names` are given anew each time, since pictures do not depend on them.

    A `thorough` one leaves nothing open when it introduces somebody, so that what is to be seen is known.
    """

    def __init__(self, story: Story, seed: int, split: str = "train", *, thorough: bool = False) -> None:
        self._story = story
        self._thorough = thorough
        self._rng = random.Random(f"words {story.seed} {seed} {split}")
        self._split = split
        names: set[str] = set()
        self._shown_by_picture: int | None = None
        while len(names) < 3:
            names.add(self._rng.choice(NAMES) if self._rng.random() < 0.6 else _invented(self._rng))
        self.names = sorted(names, key=lambda name: hashlib.sha256(f"{name}{seed}".encode()).digest())

    def tell(self) -> list[Said]:
        """The whole dialogue, with turns between that draw nothing."""
        said: list[Said] = []
        for number, turn in enumerate(self._story.turns):
            if self._rng.random() < 0.07:
                said.append(self._aside())
            source = self._reference(number, turn)
            attached = () if source is None else (self.names[turn.new[-1]],)
            self._shown_by_picture = None if source is None else turn.new[-1]
            seen = self._seen(number, turn, source)
            said.append(Said(self._message(number, turn), self._reply(turn), number, attached, source, seen))
        return said

    def _seen(self, number: int, turn: Turn, source: int | None) -> tuple[Seen, ...]:
        """The first pictures of those who are known, as in serving; now and then the uploaded one of a newcomer."""
        seen = []
        for who in turn.scene.cast:
            stands = place_in(turn.scene.cast, who)
            if who not in turn.new:
                first = next(earlier for earlier, other in enumerate(self._story.turns) if who in other.scene.cast)
                seen.append(Seen(first, stands, place_in(self._story.turns[first].scene.cast, who)))
            elif source is not None and self._rng.random() < 0.5:
                seen.append(Seen(source, stands, ALONE))
        return tuple(seen)

    def _reference(self, number: int, turn: Turn) -> int | None:
        """Now and then a newcomer is shown by a picture instead of words: the story's turn that serves as the picture."""
        if len(turn.new) != 1 or self._rng.random() > 0.2:
            return None
        alone = [
            later
            for later, other in enumerate(self._story.turns)
            if later != number and other.scene.cast == (turn.new[0],)
        ]
        return self._rng.choice(alone) if alone else None

    def _pick(self, *templates: str) -> str:
        """One of the phrasings of this split: a fifth of each group, by hash, is kept for the test."""
        kept = [
            one for one in templates if (hashlib.sha256(one.encode()).digest()[0] % 5 == 0) == (self._split == "test")
        ]
        return self._rng.choice(kept or templates)

    def _says(self, chance: float) -> bool:
        return self._thorough or self._rng.random() < chance

    def _aside(self) -> Said:
        name = self.names[2]
        kind = self._rng.random()
        if kind < 0.35:
            where = self._rng.choice(PLACE_WORDS[self._rng.choice(list(PLACE_WORDS))])
            message = self._pick(
                f"draw {name} {where}",
                f"a close-up of {name}",
                f"show me {name}",
                f"who is {name}?",
                f"{name} {where}",
                f"now put {name} next to them",
            )
            return Said(message, UNKNOWN.format(name=name), None)
        if kind < 0.65:
            return Said(self._rng.choice(FOREIGN_TEXTS).format(name=name), FOREIGN, None)
        if kind < 0.8:
            return Said(self._rng.choice(UNCLEAR_TEXTS), UNCLEAR, None)
        if kind < 0.9:
            return Said(self._rng.choice(ABOUT_TEXTS), ABOUT, None)
        return Said(self._rng.choice(THANKS_TEXTS), WELCOME, None)

    # -- what the person writes ----------------------------------------------------------------------------------------

    def _message(self, number: int, turn: Turn) -> str:
        if turn.kind == "open":
            return self._open(turn)
        if turn.kind == "join":
            words = self._join(turn)
        elif turn.kind == "switch":
            words = self._switch(turn)
        elif turn.kind == "back":
            words = self._back(number, turn)
        else:
            words = self._change(turn)
        return self._dress(words)

    def _open(self, turn: Turn) -> str:
        scene, rng = turn.scene, self._rng
        people = [self._introduced(who) for who in scene.cast]
        bits = []
        if self._says(0.85):
            bits.append(rng.choice(PLACE_WORDS[scene.place]))
        if scene.night or self._says(0.3):
            bits.append(rng.choice(NIGHT_WORDS[scene.night]))
        looks = [
            " ".join(
                part
                for part in (
                    self._expression(look.expression) if self._says(0.6) else "",
                    self._clothes(look.clothes) if self._says(0.45) else "",
                )
                if part
            )
            for look in scene.looks
        ]
        described = " and ".join(
            f"{person}{', ' + look if look else ''}" for person, look in zip(people, looks, strict=True)
        )
        if len(people) == 1 and bits and looks[0] and rng.random() < 0.2:
            return self._dress(self._in_two_sentences(scene.cast[0], " ".join(bits), looks[0]))
        where = (" " if rng.random() < 0.5 else ", ") + " ".join(bits) if bits else ""
        framing = rng.choice(FRAMING_WORDS[scene.framing])
        if scene.framing != "portrait" or rng.random() < 0.3:
            if rng.random() < 0.5:
                return self._dress(f"a {framing} of {described}{where}")
            return self._dress(f"{described}{where}, {framing}")
        return self._dress(
            self._pick(
                "draw {}",
                "{}",
                "show me {}",
                "I want to see {}",
                "please draw {}",
                "a picture of {}",
                "can you draw {}?",
                "paint {}",
                "make a picture of {}",
            ).format(described + where)
        )

    def _in_two_sentences(self, who: int, where: str, look: str) -> str:
        name, person = self.names[who], self._story.people[who]
        looks = self.description(person, everything=self._thorough)
        pronoun, verb = self._rng.choice((("She", "is"), ("He", "is"), ("They", "are"), (name, "is")))
        if not looks:
            return f"Draw {name}. {pronoun} {verb} {where}, {look}"
        return self._pick(
            f"{name} has {looks}. {pronoun} {verb} {where}, {look}",
            f"{name} has {looks}. {pronoun} {verb} {look} {where}",
            f"This is {name}, with {looks}. {pronoun} {verb} {where}, {look}",
            f"Draw {name}. {name} has {looks} and {verb} {where}, {look}",
            f"I want to tell a story about {name}, with {looks}. {pronoun} {verb} {where}, {look}",
        )

    def _introduced(self, who: int) -> str:
        name, person = self.names[who], self._story.people[who]
        looks = self.description(person, everything=self._thorough)
        if not looks or who == self._shown_by_picture:
            return name
        if person.head in HEADWEAR | CLOTH and looks.startswith(("a ", "an ")) and self._rng.random() < 0.4:
            return self._pick(f"{name} wearing {looks}", f"{name}, wearing {looks}", f"{name} in {looks}")
        return self._pick(
            f"{name}, {looks}",
            f"{name} with {looks}",
            f"{name} ({looks})",
            f"{name}, who has {looks}",
            f"someone called {name} with {looks}",
            f"a person named {name}, {looks}",
        )

    def description(self, person: Person, *, everything: bool) -> str:
        """What somebody looks like: with our own words for all of it, or some of it in a person's words."""
        rng = self._rng
        parts = [(1.0 if everything else 0.9, self._hair(person, plain=everything))]
        skin = f"{person.skin} skin" if everything else rng.choice(SKIN_WORDS[person.skin])
        parts.append((1.0 if everything else 0.45, skin))
        if person.glasses:
            words = (
                GLASSES[person.glasses]
                if everything
                else rng.choice(GLASSES_WORDS.get(person.glasses, (GLASSES[person.glasses],)))
            )
            parts.append((1.0 if everything else 0.85, words))
        if person.beard:
            words = (
                BEARDS[person.beard]
                if everything
                else rng.choice(BEARD_WORDS.get(person.beard, (BEARDS[person.beard],)))
            )
            parts.append((1.0 if everything else 0.85, words))
        chosen = [words for chance, words in parts if words and rng.random() < chance]
        if not everything:
            rng.shuffle(chosen)
        return _listed(chosen)

    def _hair(self, person: Person, *, plain: bool) -> str:
        style = (
            HEADS[person.head]
            if plain or self._rng.random() < 0.5
            else self._rng.choice(HEAD_WORDS.get(person.head, (HEADS[person.head],)))
        )
        if person.head in HAIRLESS or person.head in CLOTH:
            return style
        colour = person.hair if plain else self._rng.choice(COLOUR_WORDS.get(person.hair, (person.hair,)))
        article, _, rest = style.partition(" ")
        if article in ("a", "an"):
            return f"{_article(colour)} {colour} {rest}"
        if not plain and person.head not in HEADWEAR and self._rng.random() < 0.25:
            return f"{colour} hair"
        return f"{colour} {style}"

    def _expression(self, expression: str) -> str:
        return self._rng.choice(EXPRESSION_WORDS[expression])

    def _clothes(self, colour: str) -> str:
        garment = self._rng.choice(GARMENTS)
        word = self._rng.choice(("grey", "gray")) if colour == "grey" else colour
        article = _article(word)
        return self._pick(
            f"in {article} {word} {garment}",
            f"wearing {word}",
            f"dressed in {word}",
            f"in {word}",
            f"wearing {article} {word} {garment}",
        )

    def _who(self, scene: Scene, one: int | None = None) -> str:
        """A name or a pronoun for those in the picture, or for one of them."""
        if one is not None and len(scene.cast) == 2:
            return self.names[scene.cast[one]]
        if len(scene.cast) == 2:
            first, second = (self.names[who] for who in scene.cast)
            return self._rng.choice(("them", "both", f"{first} and {second}"))
        return self._rng.choice(("her", "him", "them", self.names[scene.cast[0]], self.names[scene.cast[0]]))

    def _changes(self, turn: Turn) -> list[str]:
        scene, words = turn.scene, []
        base = self._story.turns[turn.base].scene
        for what in turn.changed:
            if what == "place":
                words.append(self._rng.choice(PLACE_WORDS[scene.place]))
            elif what == "night":
                words.append(self._rng.choice(NIGHT_WORDS[scene.night]))
            elif what == "framing":
                words.append(f"as a {self._rng.choice(FRAMING_WORDS[scene.framing])}")
            elif what == "clothes":
                words += self._changed_looks(scene, base, "clothes")
            elif what == "expression":
                words += self._changed_looks(scene, base, "expression")
        return words

    def _changed_looks(self, scene: Scene, base: Scene, what: str) -> list[str]:
        words = []
        before = dict(zip(base.cast, base.looks, strict=True))
        for one, who in enumerate(scene.cast):
            look = scene.looks[one]
            old = before.get(who)
            if (
                old is not None
                and getattr(old, what) == getattr(look, what)
                and (what == "expression" or old.clothes_colour == look.clothes_colour)
            ):
                continue
            said = self._expression(look.expression) if what == "expression" else self._clothes(look.clothes)
            words.append(f"{self.names[who]} {said}" if len(scene.cast) == 2 else said)
        return words

    def _change(self, turn: Turn) -> str:
        who, changes = self._who(turn.scene), _listed(self._changes(turn))
        if turn.changed == ("framing",):
            framing = self._rng.choice(FRAMING_WORDS[turn.scene.framing])
            return self._pick(
                f"a {framing} of {who}",
                f"now a {framing}",
                f"make it a {framing}",
                f"as a {framing}",
                f"{framing}, please",
            )
        if turn.changed == ("night",):
            time = self._rng.choice(NIGHT_WORDS[turn.scene.night])
            return self._pick(
                f"the same {time}",
                f"make it {'night' if turn.scene.night else 'day'}",
                f"{time}",
                f"now {time}",
                f"the same picture {time}",
            )
        if turn.changed == ("expression",) and self._rng.random() < 0.6:
            return self._become(
                turn,
                "make {} {}",
                "now make {} {}",
                "let {} {}",
                "{} should {}",
                "can you make {} {}?",
                "I want {} to {}",
            )
        return self._pick(
            f"now {who} {changes}",
            f"{who} {changes}",
            f"make {who} {changes}",
            f"and now {changes}",
            f"show {who} {changes}",
            f"the same but {changes}",
            f"draw {who} {changes}",
            f"{changes}",
            f"a picture of {who} {changes}",
            f"can you make {who} {changes}?",
            f"change it: {changes}",
        )

    def _become(self, turn: Turn, *ways: str) -> str:
        """A change of expression as something that somebody does; `ways` are templates of who and what."""
        scene = turn.scene
        before = dict(
            zip(self._story.turns[turn.base].scene.cast, self._story.turns[turn.base].scene.looks, strict=True)
        )
        changed = [one for one, who in enumerate(scene.cast) if before[who].expression != scene.looks[one].expression]
        if len({scene.looks[one].expression for one in changed}) > 1:
            return _listed([f"make {self.names[scene.cast[one]]} {self._act(scene, one)}" for one in changed])
        who = self._who(scene, changed[0] if len(changed) == 1 else None)
        return self._pick(*ways).format(who, self._act(scene, changed[0]))

    def _act(self, scene: Scene, one: int) -> str:
        expression = scene.looks[one].expression
        verbs = EXPRESSION_VERBS.get(expression, ())
        if verbs and self._rng.random() < 0.6:
            return self._rng.choice(verbs).format(self._rng.choice(("her", "his", "their")))
        said = self._expression(expression)
        return said if said.startswith(("with", "in ", "giving")) else f"look {said}"

    def _join(self, turn: Turn) -> str:
        scene = turn.scene
        other, newcomer = scene.cast[0], scene.cast[1]
        who = self._introduced(newcomer) if newcomer in turn.new else self.names[newcomer]
        beside = self._rng.choice(("her", "him", "them", self.names[other]))
        look = self._fresh_look(turn, 1)
        return self._pick(
            f"put {who}{look} next to {beside}",
            f"add {who}{look}",
            f"now with {who}{look}",
            f"{beside} together with {who}{look}",
            f"{who}{look} joins {beside}",
            f"and {who}{look} beside {beside}",
        )

    def _fresh_look(self, turn: Turn, one: int) -> str:
        if turn.scene.cast[one] not in turn.new:
            return ""
        look = turn.scene.looks[one]
        words = [self._expression(look.expression)] if self._says(0.5) else []
        words += [self._clothes(look.clothes)] if self._says(0.35) else []
        return f", {' '.join(words)}," if words else ""

    def _switch(self, turn: Turn) -> str:
        scene = turn.scene
        who = scene.cast[0]
        changes = _listed(self._changes(turn))
        tail = f" {changes}" if changes else ""
        if who in turn.new:
            person = self._introduced(who) + self._fresh_look(turn, 0)
            return self._pick(
                f"now draw {person}{tail}",
                f"now {person}{tail}",
                f"instead show {person}{tail}",
                f"this time {person}{tail}",
            )
        name = self.names[who]
        return self._pick(
            f"only {name}{tail}",
            f"just {name}{tail}",
            f"now {name} alone{tail}",
            f"{name} alone{tail}",
            f"now only {name}{tail}",
            f"back to {name}{tail}",
            f"{name} without the other{tail}",
            f"now {name}{tail}",
        )

    def _back(self, number: int, turn: Turn) -> str:
        changes = _listed(self._changes(turn))
        if turn.changed == ("expression",) and self._rng.random() < 0.5:
            tail = self._pick(", but {}", " but {}", ", and {}").format(self._become(turn, "make {} {}", "let {} {}"))
        elif changes:
            tail = self._pick(", but {}", " but {}", ", this time {}", ", and make it {}").format(changes)
        else:
            tail = ""
        base, places = self._story.turns[turn.base].scene, [one.scene.place for one in self._story.turns[:number]]
        ways = []
        if turn.base == 0:
            ways += [
                "go back to the first one{}",
                "the first picture{}",
                "back to the first one{}",
                "like in the first picture{}",
            ]
        if turn.base == number - 2:
            ways += ["go back to the one before{}", "the picture before that{}", "no, the one before{}"]
        if places.count(base.place) == 1:
            name = self._rng.choice(PLACE_NAMES[base.place])
            ways += [
                f"the {name} picture{{}}",
                f"go back to the {name} picture{{}}",
                f"again the one with the {name}{{}}",
                f"back to the {name} one{{}}",
            ]
        if not ways:
            ordinal = ORDINALS[turn.base]
            ways = [
                f"back to the {ordinal} picture{{}}",
                f"the {ordinal} picture again{{}}",
                f"go back to picture {turn.base + 1}{{}}",
            ]
        return self._pick(*ways).format(tail)

    def _dress(self, words: str) -> str:
        """Small habits of writing: capitals, full stops, a polite word, a missing comma."""
        words = " ".join(words.split())
        if self._rng.random() < 0.15:
            words = self._rng.choice(("please ", "ok, ", "great! ", "hmm, ", "nice. ")) + words
        if self._rng.random() < 0.5:
            words = words[0].upper() + words[1:]
        if self._rng.random() < 0.3 and words[-1].isalnum():
            words += self._rng.choice((".", "!", " please"))
        if self._rng.random() < 0.1:
            words = words.lower()
        return words

    # -- what Likeness replies -----------------------------------------------------------------------------------------

    def _reply(self, turn: Turn) -> str:
        scene = turn.scene
        lines = []
        for who in turn.new:
            lines.append(f"{self.names[who]} has {self.description(self._story.people[who], everything=True)}.")
        lines.append(scene_in_words(scene, [self.names[who] for who in scene.cast]))
        return " ".join(lines)


def scene_in_words(scene: Scene, names: list[str]) -> str:
    """The sentence that states a scene."""
    people = " and ".join(
        f"{name}, {EXPRESSIONS[look.expression]}, in {look.clothes}"
        for name, look in zip(names, scene.looks, strict=True)
    )
    time = "by night" if scene.night else "by day"
    return f"A {FRAMING_WORDS[scene.framing][0]} of {people}, {PLACE_WORDS[scene.place][0]} {time}."


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1] if parts else ""


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _invented(rng: random.Random) -> str:
    """A name that nobody has."""
    syllables = [
        rng.choice(string.ascii_lowercase.translate(str.maketrans("", "", "aeiouq"))) + rng.choice("aeiou")
        for _ in range(rng.randint(1, 3))
    ]
    return ("".join(syllables) + rng.choice(("", "n", "r", "s", "l", "k"))).capitalize()
