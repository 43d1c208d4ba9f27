"""When and how things run: definitions, jobs, schedules, sensors, the command line.

Belongs here: orchestration. Does not belong here: what an asset does (``assets``), or anything a query needs (``query``).
"""
