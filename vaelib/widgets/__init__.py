"""Widgets for a VAE: LatentExplorer moves its latents, Playground trains it.

SlowMotion shows each stage of one update. Predict asks before it shows a result.
"""

from vaelib.widgets.explorer import LatentExplorer as LatentExplorer
from vaelib.widgets.playground import Playground as Playground
from vaelib.widgets.predict import Predict as Predict
from vaelib.widgets.slow_motion import SlowMotion as SlowMotion
