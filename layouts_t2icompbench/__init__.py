"""Frozen sketch layouts for the T2I-CompBench validation prompts; README.md says what they hold."""
