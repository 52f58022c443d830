"""Recipes of the pocket judges: a YOLO detector, a BLIP for questions, a CLIP."""
