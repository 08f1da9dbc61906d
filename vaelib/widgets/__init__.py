"""Widgets for a VAE: LatentExplorer moves its latents, Playground trains it."""

from vaelib.widgets.explorer import LatentExplorer as LatentExplorer
from vaelib.widgets.playground import Playground as Playground
