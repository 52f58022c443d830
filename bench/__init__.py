"""Evaluation benchmark harness for multi-instance synthesis with diffusion transformers."""
