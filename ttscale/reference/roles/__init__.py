"""The roles of the reference model: what it learns of each, and how it is measured."""
