"""Results as MRML nodes: live in Slicer, through slicer-core outside. The only package that sees `slicer` and `vtk`.

`nodes` adds nodes to any scene, `mrb` builds a scene file outside Slicer, `picture` draws structures off screen.
LPS turns to RAS here and nowhere else.
"""
