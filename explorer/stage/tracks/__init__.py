"""The kinds of tracks. Each knows its arrays, its scale and its height; told the excerpt once, the moment often."""
