"""One metric a file: pure functions first, a thin shell with injected judges around them."""
