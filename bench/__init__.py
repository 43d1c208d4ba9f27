"""Measurements: how well, how fast, how large, beside others' figures and the limits, each one command.

Belongs here: what is run to learn a number. Does not belong here: anything the product or its tests import.
"""
