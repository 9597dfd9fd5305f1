"""How Likeness is run: the `likeness` command, the stack of one machine, and doctor."""
