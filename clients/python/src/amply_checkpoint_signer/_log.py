"""The log of the package: one name, silent until a program asks for it."""

from __future__ import annotations

import logging

LOG = logging.getLogger("amply_checkpoint_signer")
LOG.addHandler(logging.NullHandler())
