"""``python -m sandbox``. Nothing belongs here but the call."""

from sandbox.serve import main

main()
