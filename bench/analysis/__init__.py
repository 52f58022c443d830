"""Where a model's attention goes: by token class, layer and step, as streaming sums."""
