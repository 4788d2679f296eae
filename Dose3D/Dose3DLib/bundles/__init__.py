"""MONAI bundles: find, verify, load, write; `shipped/` holds those that come with Dose3D."""
