"""The embedded pocket suite: a rendered world, small models, the recipes that trained them."""
