"""What made the weights of the preview engine: the generator of pictures and dialogues, and the training stages."""

from __future__ import annotations

import os

# Read by OpenMP when torch is first imported: idle threads sleep. Spinning ones take a busy machine to a tenth of its speed.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
