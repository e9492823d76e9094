"""Network definitions; they need torch, so stages name them and workers import them."""
