"""What the bot and the workers both keep: settings, tables, turns, tickets, conversations, characters, blobs, events."""
