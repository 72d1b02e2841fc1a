"""Grammars that the reference model was taught and strategies read: text in, text out."""
