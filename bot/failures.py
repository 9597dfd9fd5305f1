"""What somebody is told when something went wrong on our side: one sentence with a reference, under which the log has the rest.

It knows no platform: each has one handler of its own, which says where.
"""

from __future__ import annotations

import logging

from uuid_utils.compat import uuid7

from bot.sentences import AWAY, BROKEN, WITH_REFERENCE
from storage.database import DatabaseUnavailable
from storage.sentences import Sentence

log = logging.getLogger(__name__)


def failed(error: BaseException, what: str, passing: tuple[type[Exception], ...] = (DatabaseUnavailable,)) -> Sentence:
    """Log an error, and put it into a sentence for the person. `passing` are errors that another attempt may not meet."""
    reference = uuid7().hex[-8:]
    log.error("%s of %s", reference, what, exc_info=error)
    return WITH_REFERENCE.given(what=AWAY if isinstance(error, passing) else BROKEN, reference=reference)
