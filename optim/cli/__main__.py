"""`python -m optim.cli`, which is how the job starts its own server rank."""

from optim.cli import main

main()
