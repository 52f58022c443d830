"""What is compared: the baseline, AST, and every other way to steer a model by a layout."""
