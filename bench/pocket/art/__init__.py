"""The pocket world's sprites: one atlas, its table of rectangles, and what builds them."""
