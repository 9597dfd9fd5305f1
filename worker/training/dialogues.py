"""Puts stories into words: what a person writes, and what Likeness replies before it draws.

The reply states everything that the picture will show, the choices that the message left open included: so the MLLM has
decided who somebody is before it regresses visual tokens, and regression never has to average over people. Deterministic
by seed; phrasings are split by hash, so that the test split is worded in ways that training never saw.
"""

from __future__ import annotations

import hashlib
import random
import string
from collections.abc import Sequence
from dataclasses import dataclass

from worker.engines.preview.looks import COLOUR, article_of, coloured
from worker.engines.preview.references import ALONE, LEFT, RIGHT
from worker.engines.preview.replies import (
    ABOUT,
    CANNOT,
    FOREIGN,
    LEFT_OUT,
    NO_WHOLE_BODY,
    TOO_MANY,
    UNCLEAR,
    UNKNOWN,
    WELCOME,
)
from worker.training.people import (
    BEARDS,
    CLOTH,
    CLOTHES,
    COLOURLESS,
    EXPRESSIONS,
    GLASSES,
    HAIR_COLOURS,
    HEADS,
    HEADWEAR,
    SKINS,
    Look,
    Person,
    worn,
)
from worker.training.stories import NAMES, Scene, Story, Turn, excerpt

PLACE_WORDS = {
    "beach": (
        *("on the beach", "at the beach", "by the sea", "on a sandy shore", "at the seaside", "by the ocean"),
        *("building a sandcastle", "on a tropical island", "under a palm tree", "surfing", "on the coast"),
    ),
    "forest": (
        *(
            "in the forest",
            "in the woods",
            "among the trees",
            "in a forest",
            "picking mushrooms",
            "camping in the woods",
        ),
        *("on a forest path", "between the fir trees", "deep in the woods"),
    ),
    "street": (
        *("on a city street", "in the city", "in the street", "downtown", "in town", "among tall buildings"),
        *("waiting for the bus", "on the pavement", "between skyscrapers", "out shopping in town", "on the sidewalk"),
    ),
    "café": (
        *("in a café", "in the cafe", "at a coffee shop", "having coffee", "in the coffee house", "in the café"),
        *("over a cappuccino", "drinking an espresso", "sipping tea in a café", "at a coffee bar"),
    ),
    "library": (
        *("in the library", "among books", "in a library", "between bookshelves", "reading a book", "studying"),
        *("in front of a bookcase", "in a bookshop", "doing research in the library"),
    ),
    "mountains": (
        *("in the mountains", "in front of mountains", "in the Alps", "hiking in the mountains", "on a summit"),
        *("climbing a mountain", "on a mountain peak", "up in the hills", "in the Himalayas"),
    ),
    "snow": (
        *("in the snow", "in a snowy field", "in winter", "while it snows", "building a snowman", "in a blizzard"),
        *("skiing", "in a winter landscape", "at the North Pole", "in the falling snow"),
    ),
    "bedroom": (
        *("in the bedroom", "in bed", "in a bedroom", "at home in the bedroom", "going to bed", "just woken up in bed"),
        *("lying in bed", "under the blanket", "in the bedroom at home"),
    ),
    "kitchen": (
        *("in the kitchen", "cooking in the kitchen", "in a kitchen", "cooking", "baking a cake", "making dinner"),
        *("at the stove", "washing the dishes", "frying eggs", "preparing soup"),
    ),
    "park": (
        *("in the park", "on a meadow", "in a garden", "among flowers", "in a park", "having a picnic", "on the grass"),
        *("on the lawn", "in the botanical garden", "walking the dog in the park", "picking flowers"),
    ),
    "space": (
        *("in space", "in outer space", "among the stars and planets", "near a planet", "orbiting a planet"),
        *("floating in zero gravity", "in the galaxy", "on a space mission", "next to Saturn", "in the universe"),
    ),
    "stage": (
        *("on stage", "on a stage", "in a theatre", "in the theater", "in front of a curtain", "giving a concert"),
        *("performing", "acting in a play", "in the spotlight", "singing for an audience", "at the opera"),
    ),
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
    True: (
        *("at night", "by night", "in the dark", "after dark", "under the moon", "late at night", "in the moonlight"),
        *(
            "under the stars",
            "at midnight",
            "at two in the morning",
            "after sunset",
            "on a starry night",
            "at nighttime",
        ),
    ),
    False: (
        *("by day", "in daylight", "during the day", "in the daytime", "on a sunny day", "at noon", "in the morning"),
        *("in the afternoon", "in bright sunshine", "under the sun", "at lunchtime", "in the sunlight"),
    ),
}
FRAMING_WORDS = {
    "close-up": ("close-up", "closeup", "close up", "face shot", "tight shot", "headshot", "shot from very near"),
    "portrait": ("portrait", "head and shoulders shot", "bust", "medium shot", "half-length portrait", "chest-up shot"),
    "wide": (
        *("wide shot", "long shot", "picture from far away", "wide view", "full view", "shot from a distance"),
        *("zoomed-out view", "total shot", "full body shot", "picture from head to toe"),
    ),
}
WHOLE_BODY = ("full body", "head to toe")
ZOOMS = {
    "close-up": ("zoom in", "closer", "zoom in on the face", "only the face", "come closer", "much closer please"),
    "portrait": (),
    "wide": ("zoom out", "from further away", "from afar", "step back", "show more of the place", "zoom out a lot"),
}
EXPRESSION_WORDS = {
    "smile": ("smiling", "happy", "with a smile", "friendly", "cheerful", "glad", "in a good mood", "pleased"),
    "smileBig": (
        *("grinning", "with a big grin", "with a broad smile", "very happy", "beaming", "overjoyed", "thrilled"),
        *("grinning from ear to ear", "delighted"),
    ),
    "smileLOL": (
        *("laughing", "laughing out loud", "in tears of laughter", "cracking up", "giggling", "roaring with laughter"),
        *("bursting with laughter", "having a good laugh"),
    ),
    "calm": ("calm", "relaxed", "content", "peaceful", "serene", "at ease", "neutral", "laid-back"),
    "serious": (
        *(
            "serious",
            "with a serious face",
            "stern",
            "unimpressed",
            "earnest",
            "strict",
            "with a straight face",
            "grave",
        ),
    ),
    "rage": (
        *("furious", "enraged", "raging", "screaming with rage", "livid", "in a rage", "shouting with anger", "fuming"),
    ),
    "veryAngry": ("angry", "mad", "grumpy", "cross", "annoyed", "irritated", "in a bad mood", "angry as hell"),
    "solemn": ("sad", "unhappy", "gloomy", "downcast", "heartbroken", "depressed", "melancholic", "in low spirits"),
    "tired": ("tired", "exhausted", "weary", "worn out", "dead tired", "drained", "after a sleepless night"),
    "awe": (
        *("amazed", "astonished", "in awe", "surprised", "stunned", "shocked", "speechless", "with wide eyes"),
        *("flabbergasted", "in wonder"),
    ),
    "fear": ("scared", "afraid", "frightened", "terrified", "horrified", "in panic", "full of fear", "spooked"),
    "cheeky": (
        *("cheeky", "with a cheeky look", "mischievous", "playful", "with a smirk", "smirking", "sly", "naughty"),
    ),
    "suspicious": (
        *(
            "suspicious",
            "sceptical",
            "doubtful",
            "distrustful",
            "skeptical",
            "wary",
            "not convinced",
            "with a doubting look",
        ),
    ),
    "concerned": ("worried", "concerned", "anxious", "nervous", "troubled", "uneasy", "stressed", "full of worry"),
    "eyesClosed": (
        *("sleepy", "with closed eyes", "dozing", "half asleep", "asleep", "sleeping", "with eyes shut", "meditating"),
    ),
    "explaining": (
        *("talking", "explaining something", "speaking", "telling a story", "chatting", "giving a speech"),
        *("in the middle of a sentence", "lecturing"),
    ),
    "lovingGrin1": (
        *("in love", "lovestruck", "with hearts in the eyes", "smitten", "head over heels in love", "infatuated"),
    ),
    "cute": ("winking", "with a wink", "giving a wink", "with one eye closed"),
}
EXPRESSION_VERBS = {
    "smile": ("smile", "be happy", "cheer up"),
    "smileBig": ("grin", "beam"),
    "smileLOL": ("laugh", "laugh out loud", "crack up", "giggle"),
    "calm": ("relax", "calm down"),
    "serious": ("be serious", "stop smiling"),
    "rage": ("scream with rage", "rage", "explode with anger"),
    "veryAngry": ("be angry", "get angry", "scowl"),
    "solemn": ("be sad", "mope", "look like the world has ended"),
    "tired": ("be tired", "yawn"),
    "awe": ("marvel", "be surprised", "gasp"),
    "fear": ("be afraid", "panic", "see a ghost"),
    "cheeky": ("smirk",),
    "suspicious": ("be suspicious", "doubt it"),
    "concerned": ("worry", "be nervous"),
    "eyesClosed": ("doze", "close {} eyes", "sleep", "fall asleep", "shut {} eyes"),
    "explaining": ("talk", "speak", "explain something", "say something", "tell a story"),
    "lovingGrin1": ("fall in love", "be in love"),
    "cute": ("wink",),
}
HEAD_WORDS: dict[str, tuple[str, ...]] = {
    "afro": ("an afro", "afro hair", "a big round afro"),
    "bangs": ("hair swept to the side", "side-swept hair"),
    "bangs2": ("a bob cut with bangs", "a bob and a fringe"),
    "bantuKnots": ("small knots of hair", "hair in knots"),
    "bun": ("hair in a bun", "a top knot", "a bun", "hair tied up in a bun"),
    "bun2": ("curls tied in a bun", "a messy bun"),
    "buns": ("twin buns", "hair in two buns", "little twin buns"),
    "cornrows": ("braids", "long braided hair", "braided hair"),
    "cornrows2": ("a braid", "a long plait", "a plaited ponytail"),
    "dreads1": ("dreadlocks", "long dreadlocks", "dreads", "rasta locks"),
    "dreads2": ("short dreadlocks", "short locks"),
    "flatTop": ("a flattop", "hair cut flat on top"),
    "flatTopLong": ("a tall flat top", "a high box cut"),
    "grayBun": ("a bun at the side",),
    "grayMedium": ("a low knot of hair", "hair in a low bun"),
    "grayShort": ("hair with a side parting", "neatly parted hair"),
    "hatBeanie": ("a knitted cap", "a woolly hat", "a knit hat"),
    "hatHip": ("a hat", "a big hat", "a wide-brimmed hat", "a sun hat"),
    "hijab": ("a headscarf", "a veil"),
    "long": ("long hair", "wavy hair", "long waves", "hair in long waves"),
    "longAfro": ("a gigantic afro", "an enormous afro"),
    "longBangs": ("long hair with bangs", "long hair and a fringe"),
    "longCurly": ("curly hair", "long curls", "big curls", "hair in long curls"),
    "medium1": ("a bob", "short bobbed hair", "a bob cut"),
    "medium2": ("hair flipped outwards", "hair that flips up at the ends"),
    "medium3": ("medium-length hair", "hair down to the shoulders"),
    "mediumBangs2": ("a curly pony tail", "curls in a ponytail"),
    "mediumBangs3": ("hair in layers", "a layered cut"),
    "mediumStraight": ("straight hair", "long sleek hair", "long smooth hair"),
    "mohawk": ("a mohican", "a punk mohawk"),
    "mohawk2": ("a mohawk with spikes",),
    "noHair1": ("no hair", "a shaved head", "a bald head", "no hair at all"),
    "noHair2": ("almost no hair", "thinning hair", "very little hair"),
    "noHair3": ("a bald spot", "hair only at the sides"),
    "pomp": ("a rockabilly pompadour", "a big pompadour"),
    "shaved1": ("shaved sides", "hair shaved at the sides"),
    "shaved2": ("a fade haircut", "a fade cut"),
    "shaved3": ("spiky hair", "wild hair", "hair that sticks out in spikes"),
    "short1": ("very short hair", "cropped hair", "a crew cut", "a military cut"),
    "short2": ("short hair", "a tidy short haircut", "a plain short cut"),
    "short3": ("curly short hair", "short curly hair", "small curls"),
    "short4": ("a quiff", "hair brushed up at the front"),
    "short5": ("messy short hair", "tousled hair", "ruffled hair"),
    "turban": ("a wrapped turban",),
    "twists": ("short twisted hair",),
    "twists2": ("curls on top", "curly hair on top"),
}
SKIN_WORDS = {
    "pale": ("pale skin", "very fair skin", "light skin", "porcelain skin", "a pale complexion", "white skin"),
    "fair": ("fair skin", "a fair complexion", "a peachy complexion"),
    "tan": ("tan skin", "tanned skin", "a tan", "sun-tanned skin"),
    "olive": ("olive skin", "an olive complexion", "a Mediterranean complexion"),
    "brown": ("brown skin", "a brown complexion", "medium brown skin"),
    "dark brown": ("dark brown skin", "dark skin", "a dark complexion"),
    "very dark": ("very dark skin", "deep black skin", "black skin", "ebony skin"),
}
COLOUR_WORDS = {
    "black": ("black", "jet-black", "raven-black"),
    "brown": ("brown", "chestnut", "brunette"),
    "light brown": ("light brown", "light-brown", "mousy brown"),
    "dark brown": ("dark brown", "dark-brown"),
    "blond": ("blond", "blonde", "golden", "straw-blond"),
    "grey": ("grey", "gray", "silver"),
    "white": ("white", "snow-white"),
    "ginger": ("ginger", "orange", "ginger"),
    "red": ("red", "fiery red", "dark red"),
    "pink": ("pink", "bright pink"),
    "blue": ("blue", "bright blue"),
    "green": ("green", "neon green"),
    "purple": ("purple", "violet"),
}
CLOTHES_WORDS = {
    "red": ("red", "scarlet", "crimson"),
    "yellow": ("yellow", "lemon yellow"),
    "green": ("green", "emerald green"),
    "turquoise": ("turquoise", "teal", "cyan"),
    "blue": ("blue", "royal blue"),
    "purple": ("purple", "violet", "lilac"),
    "pink": ("pink", "rose"),
    "grey": ("grey", "gray"),
    "brown": ("brown", "chocolate brown"),
}
GLASSES_WORDS = {
    "glasses": ("round glasses", "glasses", "spectacles", "wire-rimmed glasses", "reading glasses"),
    "glasses3": ("thick black glasses", "black-rimmed glasses", "thick-rimmed glasses", "horn-rimmed glasses"),
    "glasses4": ("white glasses", "white-rimmed glasses", "glasses with white frames"),
    "sunglasses": ("sunglasses", "shades", "dark glasses"),
    "eyepatch": ("an eyepatch", "an eye patch", "a patch over one eye"),
}
BEARD_WORDS = {
    "chin": ("a chin beard", "a little beard on the chin"),
    "full": ("a short beard", "a beard", "a trimmed beard"),
    "full2": ("a full beard", "a bushy beard"),
    "full3": ("a long beard", "a big beard", "a wizard's beard"),
    "goatee1": ("a goatee", "a small goatee"),
    "moustache2": ("a walrus moustache", "a bushy moustache", "a thick moustache"),
    "moustache3": ("a curled moustache", "a handlebar moustache", "a twirled moustache"),
    "moustache6": ("a moustache", "a mustache", "a thin moustache"),
}
GARMENTS = (
    *("top", "shirt", "sweater", "T-shirt", "jumper", "hoodie", "jacket", "blouse", "coat", "pullover", "cardigan"),
    *("dress", "turtleneck", "uniform", "suit", "polo shirt"),
)
ROLES = (
    *("man", "woman", "girl", "boy", "guy", "lady", "kid", "friend", "teacher", "student", "doctor", "king", "queen"),
    *("wizard", "sailor", "detective", "singer", "baker", "painter", "gardener", "nurse", "farmer", "scientist"),
    *("dancer", "poet", "knight", "neighbour", "waiter", "driver", "lawyer", "fisherman", "spy", "princess", "hero"),
)
RELATIVES = (
    *("friend", "sister", "brother", "aunt", "uncle", "mother", "father", "cousin", "grandmother", "grandfather"),
    *("boss", "neighbour", "colleague", "daughter", "son", "roommate", "girlfriend", "boyfriend", "best friend"),
)
KINDS = (
    "young",
    "old",
    "tall",
    "friendly-looking",
    "elegant",
    "lonely",
    "famous",
    "mysterious",
    "tiny",
    "handsome",
    "brave",
)
THINGS = (  # that cannot be drawn
    *("a dog", "a cat", "a horse", "a dragon", "a car", "a bicycle", "a robot", "a unicorn", "a house", "a castle"),
    *(
        "a pizza",
        "a sword",
        "an umbrella",
        "a guitar",
        "a ball",
        "a parrot",
        "a spider",
        "a train",
        "a plane",
        "a boat",
    ),
    *(
        "a rocket",
        "a cake",
        "a lion",
        "an elephant",
        "a monster",
        "a phone",
        "a laptop",
        "a skateboard",
        "a motorcycle",
    ),
    *("a kite", "a balloon", "a piano", "a violin", "a sandwich", "a bottle of wine", "a bear", "a wolf", "a fish"),
    *(
        "a tiger",
        "a snake",
        "an owl",
        "a duck",
        "a truck",
        "a tractor",
        "a chair",
        "a lamp",
        "a map",
        "a camera",
        "a gift",
    ),
    *("an apple", "a crown", "a rabbit", "a penguin", "a football", "a surfboard", "a tent", "a candle", "a ghost"),
)
THING_TEXTS = (
    *("draw {}", "show me {}", "a picture of {}", "can you draw {}?", "I want {}", "paint {} in the sunset", "just {}"),
    *("now {}", "{} please", "could you make {}?", "a close-up of {}", "{} at night"),
)
BESIDES = (
    *("with {}", "next to {}", "holding {}", "riding {}", "and {}", "beside {}", "playing with {}", "looking at {}"),
    *("carrying {}", "with {} in the background"),
)
BEFORE = (
    *("please ", "ok, ", "great! ", "hmm, ", "nice. ", "cool, ", "thanks, ", "wow! ", "haha ", "yes, ", "alright, "),
    *("I love it! ", "perfect. ", "next one: ", "good, ", "so, ", "one more: ", "well, ", "not bad. ", "lovely, "),
)
AFTER = (
    *(" please", " pls", ", thanks", " :)", ", thank you", ", if you can", ", for my story", ", it's for a friend"),
    *(" for a birthday card", ", would you?", " this time", ", as nice as you can", " lol"),
)
SHORT = ((" with ", " w/ "), (" and ", " & "), (" you ", " u "), (" a picture", " a pic"), (" because ", " cause "))
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

    A `thorough` one leaves nothing open when it introduces somebody, so that what is to be seen is known. So many messages as
    `mistyped` says have a slip. With `first` and `rounds` it tells an excerpt of the story; turns keep the numbers that they
    have in the whole of it.
    """

    def __init__(
        self,
        story: Story,
        seed: int,
        split: str = "train",
        *,
        thorough: bool = False,
        mistyped: float = 0.1,
        first: int = 0,
        rounds: int | None = None,
    ) -> None:
        self._whole, self._first = story, first
        self._story = story if rounds is None else excerpt(story, first, rounds)
        self._thorough = thorough
        self._slips = mistyped
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
                said.append(self._aside(number))
            source = self._reference(number, turn)
            attached = () if source is None else (self.names[turn.new[-1]],)
            self._shown_by_picture = None if source is None else turn.new[-1]
            seen = self._seen(number, turn, source)
            message, remark = self._with_what_cannot_be_drawn(self._message(number, turn))
            shown = self._first + number
            said.append(Said(message, remark + self._reply(turn), shown, attached, source, seen))
        return said

    def _with_what_cannot_be_drawn(self, message: str) -> tuple[str, str]:
        """The message, now and then with a thing besides, and what is to be said of what the picture will not show."""
        if any(words in message.lower() for words in WHOLE_BODY):
            return message, NO_WHOLE_BODY
        if self._thorough or self._rng.random() > 0.04:
            return message, ""
        thing = self._rng.choice(THINGS)
        besides = self._rng.choice(BESIDES).format(thing)
        return f"{message.rstrip('.!? ')} {besides}", LEFT_OUT.format(thing=_the(thing))

    def _seen(self, number: int, turn: Turn, source: int | None) -> tuple[Seen, ...]:
        """The first pictures of those who are known, as in serving; now and then the uploaded one of a newcomer."""
        seen = []
        for who in turn.scene.cast:
            stands = place_in(turn.scene.cast, who)
            if who not in turn.new:
                first = next(earlier for earlier, other in enumerate(self._story.turns) if who in other.scene.cast)
                stood = place_in(self._story.turns[first].scene.cast, who)
                seen.append(Seen(self._first + first, stands, stood))
            elif source is not None and self._rng.random() < 0.5:
                seen.append(Seen(source, stands, ALONE))
        return tuple(seen)

    def _reference(self, number: int, turn: Turn) -> int | None:
        """Now and then a newcomer is shown by a picture instead of words: the story's turn that serves as the picture."""
        if len(turn.new) != 1 or self._rng.random() > 0.2:
            return None
        alone = [
            later
            for later, other in enumerate(self._whole.turns)
            if later != self._first + number and other.scene.cast == (turn.new[0],)
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

    def _aside(self, number: int) -> Said:
        """A message before a turn that gets words only."""
        kind = self._rng.random()
        if kind < 0.2:
            message, reply = self._impossible(number)
        elif kind < 0.45:
            message, reply = self._about_somebody_unknown()
        elif kind < 0.7:
            message, reply = self._rng.choice(FOREIGN_TEXTS).format(name=self.names[2]), FOREIGN
        elif kind < 0.82:
            message, reply = self._rng.choice(UNCLEAR_TEXTS), UNCLEAR
        elif kind < 0.9:
            message, reply = self._rng.choice(ABOUT_TEXTS), ABOUT
        else:
            message, reply = self._rng.choice(THANKS_TEXTS), WELCOME
        return Said(message, reply, None)

    def _impossible(self, number: int) -> tuple[str, str]:
        """A thing, or a third person, and why not."""
        if number and len(self._story.turns[number - 1].scene.cast) == 2 and self._rng.random() < 0.5:
            look = f"{self._rng.choice(SKIN_WORDS['tan'])} and {self._rng.choice(list(COLOUR_WORDS))} hair"
            ways = ("add {} with {}", "put {}, {}, next to them", "and a third one: {}, {}", "now {} too, {}")
            return self._rng.choice(ways).format(self.names[2], look), TOO_MANY
        thing = self._rng.choice(THINGS)
        return self._rng.choice(THING_TEXTS).format(thing), CANNOT.format(thing=thing)

    def _about_somebody_unknown(self) -> tuple[str, str]:
        name, where = self.names[2], self._rng.choice(PLACE_WORDS[self._rng.choice(list(PLACE_WORDS))])
        message = self._pick(
            f"draw {name} {where}",
            f"a close-up of {name}",
            f"show me {name}",
            f"who is {name}?",
            f"{name} {where}",
            f"now put {name} next to them",
        )
        return message, UNKNOWN.format(name=name)

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
                    _other_glasses(self._story.people[who], look).removeprefix(", "),
                )
                if part
            )
            for who, look in zip(scene.cast, scene.looks, strict=True)
        ]
        described = " and ".join(
            f"{person}{', ' + look if look else ''}" for person, look in zip(people, looks, strict=True)
        )
        if len(people) == 1 and bits and looks[0] and rng.random() < 0.2:
            words = self._in_two_sentences(scene.cast[0], " ".join(bits), looks[0])
            if scene.framing != "portrait":
                words = f"{words}. A {rng.choice(FRAMING_WORDS[scene.framing])}"
            return self._dress(words)
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
                "I would like a picture of {}",
                "let's start with {}",
                "could you sketch {}?",
                "I need an image of {}",
                "new picture: {}",
                "show {}",
                "give me {}",
                "we see {}",
                "here comes {}",
                "begin with {}",
                "our story starts with {}",
                "create a picture of {}",
                "generate {}",
                "illustrate {}",
                "a drawing of {}",
                "I'd love to see {}",
                "could I get a picture of {}?",
                "let's see {}",
                "for a start, {}",
                "how about a picture of {}?",
                "what would {} look like?",
                "an illustration of {}",
                "I am thinking of {}",
                "let's draw {}",
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
            f"Meet {name}: {looks}. {pronoun} {verb} {look}, {where}",
            f"Imagine {self._role()} called {name}. {pronoun} {verb} {where}, {look}. {name} has {looks}",
            f"My character {name} has {looks}. Show {name} {where}, {look}",
            f"{name}: {looks}; {look}; {where}",
            f"There is {self._role()}. The name is {name}. {looks}. {pronoun} {verb} {where} and {look}",
            f"{where}, {look}: {name} with {looks}",
            f"Once upon a time there was {self._role()} named {name}, with {looks}, {where}. {pronoun} {verb} {look}",
        )

    def _introduced(self, who: int) -> str:
        name, person = self.names[who], self._story.people[who]
        looks = self.description(person, everything=self._thorough)
        if not looks or who == self._shown_by_picture:
            return name
        if person.head in HEADWEAR | CLOTH and looks.startswith(("a ", "an ")) and self._rng.random() < 0.4:
            return self._pick(f"{name} wearing {looks}", f"{name}, wearing {looks}", f"{name} in {looks}")
        role = self._role()
        return self._pick(
            f"{name}, {looks}",
            f"{name} with {looks}",
            f"{name} ({looks})",
            f"{name}, who has {looks}",
            f"someone called {name} with {looks}",
            f"a person named {name}, {looks}",
            f"{role} called {name} with {looks}",
            f"{role} named {name}, {looks}",
            f"{name}, {role} with {looks}",
            f"{role} ({name}) who has {looks}",
            f"my {self._rng.choice(RELATIVES)} {name}, {looks}",
            f"my {self._rng.choice(RELATIVES)} {name} with {looks}",
            f"{name} - {looks} -",
            f"the {self._rng.choice(ROLES)} {name} with {looks}",
        )

    def _role(self) -> str:
        """What somebody is besides; nothing of it is to be seen."""
        words = self._rng.choice((*ROLES, *ROLES, "person", "character"))
        if self._rng.random() < 0.3:
            words = f"{self._rng.choice(KINDS)} {words}"
        return f"{article_of(words)} {words}"

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
            if person.head in COLOURLESS:
                words = coloured(words, self._colour_of_hair(person, plain=everything))
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
        if person.head in COLOURLESS:
            return style
        colour = self._colour_of_hair(person, plain=plain)
        if not plain and person.head not in HEADWEAR and self._rng.random() < 0.4:
            return self._hair_otherwise(style, colour)
        return coloured(style, colour)

    def _colour_of_hair(self, person: Person, *, plain: bool) -> str:
        return person.hair if plain else self._rng.choice(COLOUR_WORDS.get(person.hair, (person.hair,)))

    def _hair_otherwise(self, style: str, colour: str) -> str:
        """Style and colour in another order, or the colour alone."""
        ways = [f"{colour} hair", f"{colour} hair"]
        if style.startswith(("a ", "an ")):
            ways.append(f"{colour} hair in {style}")
        elif style.endswith(" hair"):
            ways += [
                f"{style.removesuffix(' hair')} {colour} hair",
                f"{style} dyed {colour}",
                f"{style} that is {colour}",
            ]
        elif "hair" not in style:
            ways.append(f"{colour} hair, {style}")
        return self._rng.choice(ways)

    def _expression(self, expression: str) -> str:
        return self._rng.choice(EXPRESSION_WORDS[expression])

    def _clothes(self, colour: str) -> str:
        garment = self._rng.choice(GARMENTS)
        word = self._rng.choice((colour, *CLOTHES_WORDS.get(colour, ())))
        article = article_of(word)
        return self._pick(
            f"in {article} {word} {garment}",
            f"wearing {word}",
            f"dressed in {word}",
            f"in {word}",
            f"wearing {article} {word} {garment}",
            f"with {article} {word} {garment}",
            f"in {article} {garment} that is {word}",
            f"dressed in {article} {word} {garment}",
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
            return self._reframed(turn.scene.framing)
        if turn.changed == ("night",):
            return self._at_another_time(night=turn.scene.night)
        if turn.changed == ("glasses",):
            return self._put_on_or_off(turn)
        if turn.changed == ("expression",) and self._rng.random() < 0.6:
            return self._become(
                turn,
                "make {} {}",
                "now make {} {}",
                "let {} {}",
                "{} should {}",
                "can you make {} {}?",
                "I want {} to {}",
                "have {} {}",
                "could {} {}?",
                "{} has to {} now",
                "please get {} to {}",
                "would you make {} {}?",
                "tell {} to {}",
                "ask {} to {}",
                "I'd like {} to {}",
                "{} must {}",
                "{} needs to {}",
                "get {} to {}",
                "try to make {} {}",
                "it would be nice to see {} {}",
                "let me see {} {}",
                "{} starts to {}",
                "suddenly {} begins to {}",
                "maybe {} could {}",
            )
        if turn.changed == ("clothes",) and self._rng.random() < 0.4:
            return self._recolour(turn)
        return self._pick(
            f"let's see {who} {changes}",
            f"what about {who} {changes}?",
            f"how about {changes}?",
            f"can we have {who} {changes}?",
            f"next, {who} {changes}",
            f"then {who} {changes}",
            f"I want {who} {changes}",
            f"same again, {changes}",
            f"this time {changes}",
            f"but {changes}",
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

    def _reframed(self, into: str) -> str:
        framing, zooms = self._rng.choice(FRAMING_WORDS[into]), ZOOMS[into]
        if zooms and self._rng.random() < 0.4:
            return self._rng.choice(zooms)
        return self._pick(
            f"a {framing}",
            f"now a {framing}",
            f"make it a {framing}",
            f"as a {framing}",
            f"{framing}, please",
            f"can I have a {framing}?",
            f"the same as a {framing}",
            f"change it to a {framing}",
            f"I'd like a {framing}",
            f"show it as a {framing}",
            f"turn it into a {framing}",
            f"could this be a {framing}?",
        )

    def _at_another_time(self, *, night: bool) -> str:
        time = self._rng.choice(NIGHT_WORDS[night])
        return self._pick(
            f"the same {time}",
            f"turn it into {'night' if night else 'day'}",
            f"it is {'dark now' if night else 'bright day now'}",
            f"{'the sun has gone down' if night else 'the sun comes up'}",
            f"what does it look like {time}?",
            f"make it {'night' if night else 'day'}",
            f"{time}",
            f"now {time}",
            f"the same picture {time}",
        )

    def _recolour(self, turn: Turn) -> str:
        """Clothes that somebody changes."""
        scene, base = turn.scene, self._story.turns[turn.base].scene
        one = next(
            number
            for number, look in enumerate(scene.looks)
            if look.clothes_colour != base.looks[number].clothes_colour
        )
        colour = scene.looks[one].clothes
        word, garment = self._rng.choice((colour, *CLOTHES_WORDS.get(colour, ()))), self._rng.choice(GARMENTS)
        who = self._who(scene, one)
        whose = (
            f"{self.names[scene.cast[one]]}'s"
            if len(scene.cast) == 2
            else self._rng.choice(("her", "his", "their", "the"))
        )
        return self._pick(
            f"change {whose} {garment} to {word}",
            f"make {whose} {garment} {word}",
            f"{whose} {garment} should be {word}",
            f"give {who} {article_of(word)} {word} {garment}",
            f"put {who} in {article_of(word)} {word} {garment}",
            f"swap {whose} {garment} for {article_of(word)} {word} one",
            f"{who} changes into {article_of(word)} {word} {garment}",
            f"can {whose} {garment} be {word}?",
        )

    def _put_on_or_off(self, turn: Turn) -> str:
        """Glasses that somebody takes off, puts on, or puts on again."""
        scene, base = turn.scene, self._story.turns[turn.base].scene
        one = next(number for number, look in enumerate(scene.looks) if look.glasses != base.looks[number].glasses)
        person = self._story.people[scene.cast[one]]
        before, now = worn(person, base.looks[one]), worn(person, scene.looks[one])
        who, whose = self._who(scene, one), self._rng.choice(("her", "his", "their", "the"))
        what = self._rng.choice(GLASSES_WORDS.get(now or before or "", ("glasses",)))
        if now is None and what not in ("sunglasses", "shades") and "glasses" in what and self._rng.random() < 0.5:
            what = "glasses"
        bare = what.removeprefix("an ").removeprefix("round ").removeprefix("thick ")
        if now is None:
            return self._pick(
                f"{who} without {whose} {bare}",
                f"without {whose} {bare}",
                f"without {_bare(before)}",
                f"take off {whose} {bare}",
                f"take {whose} {bare} off",
                f"remove {whose} {bare}",
                f"no {bare}",
                f"the same without {bare}",
                f"now without {whose} {bare}",
                f"make {who} take off {whose} {bare}",
            )
        if now == person.glasses:
            return self._pick(
                f"with {whose} {bare} again",
                f"{who} with {whose} {bare} again",
                f"put {whose} {bare} back on",
                f"give {who} {whose} {bare} back",
                f"now with {whose} {bare} again",
                f"with {whose} {bare} back on",
            )
        return self._pick(
            f"with {what}",
            f"{who} with {what}",
            f"{who} wearing {what}",
            f"put {what} on {who}",
            f"give {who} {what}",
            f"add {what}",
            f"now with {what}",
            f"make {who} wear {what}",
            f"the same with {what}",
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
            f"bring in {who}{look}",
            f"let {who}{look} come too",
            f"{who}{look} stands next to {beside}",
            f"{beside} and {who}{look} side by side",
            f"introduce {who}{look}",
            f"{who}{look} shows up",
            f"have {who}{look} stand beside {beside}",
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
                f"let's see {person}{tail}",
                f"meanwhile {person}{tail}",
                f"and what about {person}{tail}?",
                f"a new character: {person}{tail}",
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
            f"let's see {name} again{tail}",
            f"meanwhile {name}{tail}",
            f"what is {name} doing{tail}?",
            f"{name} again{tail}",
            f"a picture of {name} alone{tail}",
            f"switch to {name}{tail}",
        )

    def _back(self, number: int, turn: Turn) -> str:
        changes = _listed(self._changes(turn))
        if turn.changed == ("expression",) and self._rng.random() < 0.5:
            and_how = (", but {}", " but {}", ", and {}", ", only {}", " and {}", ", then {}", ". {}", "; {}")
            tail = self._pick(*and_how).format(self._become(turn, "make {} {}", "let {} {}", "have {} {}"))
        elif changes:
            tail = self._pick(
                *(", but {}", " but {}", ", this time {}", ", and make it {}", ", only {}", ", just {}", " except {}"),
                *(", and now {}", ", with one change: {}", " - {}", ", though {}"),
            ).format(changes)
        else:
            tail = ""
        base, places = self._story.turns[turn.base].scene, [one.scene.place for one in self._story.turns[:number]]
        pictures = []
        if turn.base == 0:
            pictures += [
                "go back to the first one{}",
                "the first picture{}",
                "back to the first one{}",
                "like in the first picture{}",
                "return to the very first image{}",
                "let's go back to where we started{}",
                "the original picture{}",
                "as at the beginning{}",
                "start over from the first picture{}",
                "the very first one again{}",
                "again like at the start{}",
                "picture one again{}",
                "picture number one{}",
                "use the first image again{}",
                "I want the first one back{}",
                "show me the first picture again{}",
                "take the opening picture{}",
                "let's return to the first shot{}",
                "back to the beginning{}",
                "back to the start{}",
                "back to square one{}",
                "how it was at first{}",
                "like it was in the beginning{}",
                "the initial picture again{}",
                "revert to the original{}",
                "restore the first picture{}",
                "the one we began with{}",
                "the one you drew first{}",
                "your first picture again{}",
                "rewind to the first image{}",
                "reuse the original image{}",
                "what we had first{}",
                "the first drawing again{}",
            ]
        if turn.base == number - 2:
            pictures += [
                "go back to the one before{}",
                "the picture before that{}",
                "no, the one before{}",
                "go one back{}",
                "undo the last change{}",
                "undo that{}",
                "undo{}",
                "revert that{}",
                "take that back{}",
                "one step back{}",
                "the previous picture again{}",
                "back to the previous one{}",
                "return to the previous image{}",
                "as it was before{}",
                "I liked the one before more{}",
                "not that, the previous one{}",
                "forget the last picture{}",
                "forget that change{}",
                "go back a step{}",
                "the one before was better{}",
                "drop the last change{}",
            ]
        if places.count(base.place) == 1:
            name = self._rng.choice(PLACE_NAMES[base.place])
            pictures += [
                f"the {name} picture{{}}",
                f"go back to the {name} picture{{}}",
                f"again the one with the {name}{{}}",
                f"back to the {name} one{{}}",
                f"return to the {name} scene{{}}",
                f"I liked the {name} picture{{}}",
                f"use the {name} picture again{{}}",
                f"the one {PLACE_WORDS[base.place][0]} again{{}}",
                f"show the {name} picture again{{}}",
                f"once more the {name} picture{{}}",
                f"revert to the {name} picture{{}}",
                f"I want the {name} one back{{}}",
                f"as in the {name} picture{{}}",
                f"restore the {name} scene{{}}",
                f"the {name} one again{{}}",
            ]
        if not pictures:
            ordinal, cardinal = ORDINALS[turn.base], turn.base + 1
            pictures = [
                f"back to the {ordinal} picture{{}}",
                f"the {ordinal} picture again{{}}",
                f"go back to picture {cardinal}{{}}",
                f"picture number {cardinal} again{{}}",
                f"use picture {cardinal}{{}}",
                f"return to the {ordinal} one{{}}",
                f"the {ordinal} one again{{}}",
                f"like in the {ordinal} picture{{}}",
                f"revert to the {ordinal} image{{}}",
                f"I want picture {cardinal} back{{}}",
            ]
        return self._pick(*pictures).format(tail)

    def _dress(self, words: str) -> str:
        """Small habits of writing: capitals, full stops, a polite word, a missing comma."""
        words = " ".join(words.split())
        if self._rng.random() < 0.2:
            words = self._rng.choice(BEFORE) + words
        if self._rng.random() < 0.5:
            words = words[0].upper() + words[1:]
        if self._rng.random() < 0.3 and words[-1].isalnum():
            words += self._rng.choice((".", "!", " please"))
        elif self._rng.random() < 0.1:
            words = words.rstrip(".?!") + self._rng.choice(AFTER)
        if self._rng.random() < 0.1:
            for long, short in SHORT:
                words = words.replace(long, short)
        if self._rng.random() < self._slips:
            words = self._mistyped(words)
        if self._rng.random() < 0.15:
            words = words.lower()
        return words

    def _mistyped(self, text: str) -> str:
        """A slip in one of the longer words, which is no name."""
        words = text.split(" ")
        long = [one for one, word in enumerate(words) if len(word) > 4 and word.isalpha() and word not in self.names]
        if not long:
            return text
        one = self._rng.choice(long)
        word, at = words[one], self._rng.randrange(1, len(words[one]) - 2)
        words[one] = self._rng.choice(
            (
                word[:at] + word[at + 1 :],
                word[:at] + word[at + 1] + word[at] + word[at + 2 :],
                word[:at] + word[at] + word[at:],
            )
        )
        return " ".join(words)

    # -- what Likeness replies -----------------------------------------------------------------------------------------

    def _reply(self, turn: Turn) -> str:
        scene = turn.scene
        lines = []
        for who in turn.new:
            lines.append(f"{self.names[who]} has {self.description(self._story.people[who], everything=True)}.")
        lines.append(scene_in_words(scene, [(self.names[who], self._story.people[who]) for who in scene.cast]))
        return " ".join(lines)


def scene_in_words(scene: Scene, cast: Sequence[tuple[str, Person]]) -> str:
    """The sentence that states a scene of people with their names."""
    people = " and ".join(
        f"{name}, {EXPRESSIONS[look.expression]}, in {look.clothes}{_other_glasses(person, look)}"
        for (name, person), look in zip(cast, scene.looks, strict=True)
    )
    time = "by night" if scene.night else "by day"
    return f"A {FRAMING_WORDS[scene.framing][0]} of {people}, {PLACE_WORDS[scene.place][0]} {time}."


def words_of_looks() -> tuple[tuple[str, ...], ...]:
    """What a reply calls the values of each of `OF_PEOPLE`, as `LABELS` counts them."""
    heads = (style if head in COLOURLESS else coloured(style, COLOUR) for head, style in HEADS.items())
    skins = (f"{skin} skin" for skin in SKINS)
    looks = tuple(EXPRESSIONS.values()), tuple(CLOTHES)
    return *looks, tuple(heads), tuple(HAIR_COLOURS), tuple(skins), ("", *GLASSES.values()), ("", *BEARDS.values())


def _other_glasses(person: Person, look: Look) -> str:
    """What there is to say of somebody who does not wear what they usually wear."""
    glasses = worn(person, look)
    if glasses == person.glasses:
        return ""
    return f", with {GLASSES[glasses]}" if glasses else f", without {_bare(person.glasses)}"


def _bare(glasses: str | None) -> str:
    return "the eyepatch" if glasses == "eyepatch" else "sunglasses" if glasses == "sunglasses" else "glasses"


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1] if parts else ""


def _the(thing: str) -> str:
    return f"the {thing.partition(' ')[2]}"


def _invented(rng: random.Random) -> str:
    """A name that nobody has."""
    syllables = [
        rng.choice(string.ascii_lowercase.translate(str.maketrans("", "", "aeiouq"))) + rng.choice("aeiou")
        for _ in range(rng.randint(1, 3))
    ]
    return ("".join(syllables) + rng.choice(("", "n", "r", "s", "l", "k"))).capitalize()
