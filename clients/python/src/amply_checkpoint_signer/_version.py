"""The version, as it stands in pyproject.toml."""

from importlib.metadata import version

__version__ = version("amply-checkpoint-signer")
