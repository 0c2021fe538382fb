"""The stage: the tracks, one below the other, on one time axis with one cursor.

classes     what a number is, before it gets a colour      scales    from numbers to a place on a scale
palette     colours and textures of scales and classes     cells     n steps (or units) on so many pixels
now         what the tape has reached                       tracks/   one file per kind of track
canvas      paints and lays out the tracks                  stage     the widget around it all
"""
