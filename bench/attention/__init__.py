"""The seam into joint attention, exact kernels, and phrase-to-token positions."""
