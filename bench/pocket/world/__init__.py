"""The pocket world: a grammar of scenes, and a renderer that knows the truth about each pixel."""

from bench.pocket.world.grammar import CATEGORIES, sample_scene
from bench.pocket.world.render import Truth, render, render_with_truth, truth_of
from bench.pocket.world.scene import Mention, Scene, SceneInstance

__all__ = [
    "CATEGORIES",
    "Mention",
    "Scene",
    "SceneInstance",
    "Truth",
    "render",
    "render_with_truth",
    "sample_scene",
    "truth_of",
]
