"""Where something happens on Discord, in the words of the tables, and what the bot has to be allowed there.

A thread is a conversation. A mention in a channel opens one: a public thread has the id of the message that it starts from,
so the conversation is known before the thread is made. A direct message belongs to a workspace of its person alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any
from uuid import UUID

import discord

from bot.discord import sentences
from storage.conversations import DIRECT
from storage.sentences import Sentence
from storage.tables import Kind
from storage.turns import Request

PLATFORM = "discord"

IN_THREADS = {
    "view_channel": sentences.VIEW_CHANNEL,
    "send_messages_in_threads": sentences.SEND_IN_THREADS,
    "attach_files": sentences.ATTACH_FILES,
    "read_message_history": sentences.READ_HISTORY,
}
IN_CHANNELS = {"create_public_threads": sentences.CREATE_THREADS, **IN_THREADS}
INVITED_WITH = discord.Permissions(send_messages=True, **dict.fromkeys(IN_CHANNELS, True))
"""What the link that adds the bot to a server asks for."""


@dataclass(frozen=True, slots=True)
class Place:
    """Workspace, channel and thread by Discord's ids, as text."""

    workspace: str
    workspace_name: str
    channel: str
    thread: str

    def request(
        self,
        source_id: str,
        author: discord.abc.User,
        text: str,
        *,
        language: str,
        kind: Kind = Kind.SAY,
        attachments: tuple[str, ...] = (),
        reply_to: UUID | None = None,
        seed: int | None = None,
        aspect: str = "",
        moderates: bool = False,
    ) -> Request:
        """What somebody asks for here."""
        return Request(
            platform=PLATFORM,
            workspace=self.workspace,
            workspace_name=self.workspace_name,
            channel=self.channel,
            thread=self.thread,
            source_id=source_id,
            author=str(author.id),
            author_name=author.display_name,
            text=text,
            language=language,
            kind=kind,
            attachments=attachments,
            reply_to=reply_to,
            seed=seed,
            aspect=aspect,
            moderates=moderates,
        )


if TYPE_CHECKING:
    from discord.abc import MessageableChannel
    from discord.interactions import InteractionChannel

    Channel = MessageableChannel | InteractionChannel


def place_of(channel: Channel, guild: discord.Guild | None, person: discord.abc.User, starter: int) -> Place:
    """The place of an event in a channel; `starter` is the message that a thread would start from."""
    if guild is None:
        return Place(f"{DIRECT}{person.id}", f"{person.display_name}'s messages", str(channel.id), str(channel.id))
    if isinstance(channel, discord.Thread):
        return Place(str(guild.id), guild.name, str(channel.parent_id), str(channel.id))
    return Place(str(guild.id), guild.name, str(channel.id), str(starter))


def workspace_of(interaction: discord.Interaction[Any]) -> str:
    """The workspace that an interaction comes from."""
    return f"{DIRECT}{interaction.user.id}" if interaction.guild_id is None else str(interaction.guild_id)


def allowed_to(me: discord.Member, channel: Channel) -> discord.Permissions:
    """What the bot may do in a channel or its threads: that it may not speak in the channel itself is no hindrance."""
    if isinstance(channel, discord.TextChannel):
        return discord.abc.GuildChannel.permissions_for(channel, me)
    return channel.permissions_for(me)


def source_of(interaction: discord.Interaction[Any]) -> str:
    """What makes an interaction happen once."""
    return f"interaction:{interaction.id}"


def language_of(interaction: discord.Interaction[Any]) -> str:
    """The language that somebody has Discord in, by BCP 47 tag."""
    return interaction.locale.value


def language_in(guild: discord.Guild | None) -> str:
    """The language of a server, by BCP 47 tag: of whoever writes a message Discord does not tell it."""
    return "" if guild is None else guild.preferred_locale.value


def moderates(interaction: discord.Interaction[Any]) -> bool:
    """Whether somebody may end what others asked for."""
    return interaction.guild_id is not None and interaction.permissions.manage_messages


def allowed_in(interaction: discord.Interaction[Any]) -> discord.Permissions | None:
    """What the bot may do where an interaction comes from; None in direct messages."""
    return None if interaction.guild_id is None else interaction.app_permissions


def problem(channel: Channel, allowed: discord.Permissions | None) -> Sentence | None:
    """Why the bot cannot answer there, as a sentence; None when it can. `allowed` is None in direct messages."""
    if allowed is None:
        return None
    in_thread = isinstance(channel, discord.Thread)
    if not isinstance(channel, discord.Thread | discord.TextChannel):
        return sentences.NOT_HERE
    if isinstance(channel, discord.Thread) and channel.locked and not allowed.manage_threads:
        return sentences.LOCKED
    missing = [
        words for name, words in (IN_THREADS if in_thread else IN_CHANNELS).items() if not getattr(allowed, name)
    ]
    if not missing:
        return None
    every = reduce(lambda first, then: sentences.AND_PERMISSION.given(first=first, next=then), missing)
    return (sentences.MISSING if len(missing) == 1 else sentences.MISSING_SEVERAL).given(missing=every)
