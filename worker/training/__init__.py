"""How the preview engine is trained: its art, its dialogues, its stages. Needs the `[train]` extra; serving needs none of it."""
