"""The batch door: `dose3d`, generated from the registry of tasks."""
