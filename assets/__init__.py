"""What exists: one file a subject, assets in the order the data flows.

Belongs here: assets of 10 to 40 lines that read, call ``domain``, write and report. Does not belong here: rules
(``domain``), clients (``resources``), or when things run (``pipelines``).
"""
