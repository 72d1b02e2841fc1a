"""``ttscale pool``: recorded samples are drawn, looked at, moved between files, and replayed."""
