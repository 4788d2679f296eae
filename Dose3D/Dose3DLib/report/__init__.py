"""One look for every report: `html` the page, `planes` and `figures` the pictures, one file a kind of report."""
