"""Widgets to touch a VAE with: LatentExplorer moves latents, Playground trains."""

from vaelib.widgets.explorer import LatentExplorer as LatentExplorer
from vaelib.widgets.playground import Playground as Playground
