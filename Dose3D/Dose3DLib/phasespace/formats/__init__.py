"""One file a format: `open_<format>(path)` reads, `<Format>Writer` writes; read.py and write.py choose."""
