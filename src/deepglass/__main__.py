"""`python -m deepglass`."""

from deepglass.cli.main import main

main()
