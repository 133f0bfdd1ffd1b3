"""From the result of a tuning job to report.json, report.html and the tuned namelist."""
