"""Pocket scenes as parsed prompts: their captions know their own spans, no parser is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.layouts.records import ParsedInstance, ParsedPrompt, ParsedRelation

if TYPE_CHECKING:
    from bench.pocket.world.scene import Scene

PARSER = "pocket grammar"


def parsed_from_scene(scene: Scene) -> ParsedPrompt:
    """What a scene's caption says, one parsed instance for each of its phrases.

    The scene's own boxes are left behind: a layout for it comes from the planner, as for every
    other prompt.
    """
    instances = []
    owner: dict[int, int] = {}
    for number, members in enumerate(scene.groups):
        first = scene.instances[members[0]]
        mention = scene.mentions[members[0]]
        instances.append(
            ParsedInstance(
                phrase_span=mention.phrase,
                noun=first.noun,
                noun_span=mention.noun,
                attributes=first.attributes,
                attribute_spans=mention.attributes,
                count=len(members),
            )
        )
        owner.update(dict.fromkeys(members, number))
    return ParsedPrompt(
        prompt=scene.caption,
        instances=tuple(instances),
        relations=tuple(ParsedRelation(owner[s], r, owner[o]) for s, r, o in scene.relations),
        background_span=scene.background_span,
        parser=PARSER,
    )
