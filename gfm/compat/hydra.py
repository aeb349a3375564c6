"""Parts of Hydra that it calls experimental or private.

``tests/compat/test_hydra.py`` names what breaks where a release changes one of them.
"""

from hydra.experimental.callback import Callback

__all__ = ["NOISE", "Callback"]

NOISE = ("object_type", "full_key", "Config search", "Set the environment variable")
"""How lines begin that Hydra and OmegaConf append to the text of an exception."""
