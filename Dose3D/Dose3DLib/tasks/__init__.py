"""One file per user action: `Settings`, `run(settings, progress)`; the only place where the nouns meet."""
