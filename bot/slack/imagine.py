"""Drawing without a mention: `/imagine` with words, or a form with words, characters by name and a seed."""

from __future__ import annotations

from collections.abc import Sequence

from bot.slack.blocks import INPUT, OPTIONS, Here, Json, field, modal, number_input, option, plain, text_input

FORM = "room:draw:send"
SEEDS = 2**31 - 1


def form(here: Here, names: Sequence[str] = (), text: str = "") -> Json:
    """What people fill in. From nowhere, such as App Home, they choose the channel too."""
    blocks = [field("text", "Whom to draw and where", text_input(longest=INPUT, initial=text, lines=True))]
    if names:
        offered = [option(name, name) for name in names[:OPTIONS]]
        chosen = {"type": "multi_static_select", "placeholder": plain("By name", 150), "options": offered}
        blocks.append(field("characters", "Who is in it", chosen, optional=True))
    blocks.append(
        field(
            "seed",
            "Seed",
            number_input(0, SEEDS),
            hint="A number: the same one draws the same again",
            optional=True,
        )
    )
    if not here.channel:
        where = {"type": "conversations_select", "default_to_current_conversation": True}
        blocks.append(field("channel", "Where", where))
    return modal("Draw", blocks, carries=here.written(), callback=FORM, submit="Draw", close="Cancel")
