"""Results as MRML nodes: live in Slicer, through slicer-core outside. Only here and in `view` are `slicer` and `vtk`.

`nodes` adds nodes to any scene, `mrb` builds a scene file outside Slicer, `picture` draws structures off screen (in
Slicer's own view where trame-slicer is installed). LPS turns to RAS here and nowhere else.
"""
