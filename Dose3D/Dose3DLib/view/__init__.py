"""A scene file in the browser, and its pictures: Slicer's own slice and 3-D views through trame-slicer, without Slicer.

`service` is the command `dose3d view`, `source` finds and unpacks what is to be shown, `viewer` holds scene and views
(of the browser or off screen), `page` shows them, `guard` lets in only whoever has the token.
"""
