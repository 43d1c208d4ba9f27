"""The rules of Casebook. Pure: no Dagster, no network, no disk, no clock.

Belongs here: what a ticket, a summary, a fingerprint and a stage *are*, and how one is made from another.
Does not belong here: anything that reads or writes outside the process; times and ids are passed in.
"""
