"""A scene of the pocket grammar as the planner's input: the grammar knows every span already."""

from __future__ import annotations

from bench.layouts.records import ParsedInstance, ParsedPrompt, ParsedRelation
from bench.pocket.world import Scene
from bench.types import Box, Instance, Layout, Relation


def parsed_scene(scene: Scene) -> ParsedPrompt:
    """The caption's phrases, relations and background; instances of one mention become a count."""
    first = [group[0] for group in scene.groups]
    number = {k: g for g, group in enumerate(scene.groups) for k in group}
    relations = dict.fromkeys(
        ParsedRelation(number[s], relation, number[o]) for s, relation, o in scene.relations
    )
    return ParsedPrompt(
        prompt=scene.caption,
        instances=tuple(
            ParsedInstance(
                phrase_span=scene.mentions[k].phrase,
                noun=scene.instances[k].noun,
                noun_span=scene.mentions[k].noun,
                attributes=tuple(scene.caption[a:b] for a, b in scene.mentions[k].attributes),
                attribute_spans=tuple(scene.mentions[k].attributes),
                count=len(group),
            )
            for k, group in zip(first, scene.groups, strict=True)
        ),
        relations=tuple(relations),
        background_span=scene.background_span,
        parser="pocket-grammar 1",
    )


def drawn_layout(scene: Scene, id: str) -> Layout:
    """The layout that a scene was drawn with: its own boxes instead of planned ones."""
    return Layout(
        id=id,
        prompt=scene.caption,
        category=scene.category,
        instances=tuple(
            Instance(
                phrase=scene.caption[slice(*mention.phrase)],
                phrase_span=mention.phrase,
                noun=thing.noun,
                noun_span=mention.noun,
                attributes=tuple(scene.caption[a:b] for a, b in mention.attributes),
                attribute_spans=tuple(mention.attributes),
                box=Box(*thing.box),
                depth=thing.depth,
            )
            for thing, mention in zip(scene.instances, scene.mentions, strict=True)
        ),
        relations=tuple(Relation(s, r, o) for s, r, o in scene.relations),
        background_span=scene.background_span,
        planner="pocket-world 1",
    )
