"""The kinds of tracks. Each knows its arrays, its scale and its height; it is told the excerpt once, the moment often."""
