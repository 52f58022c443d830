"""Complex scenes of our own, with sketches painted by hand; README.md says what they hold."""
