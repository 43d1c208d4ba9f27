"""The companies as Dagster partitions. The registry is the truth; a sensor and the commands keep these keys equal to it."""

import dagster as dg

companies = dg.DynamicPartitionsDefinition(name="companies")
