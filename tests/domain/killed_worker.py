"""A process that syncs until it is killed: ``python killed_worker.py FOLDER LEDGER SOURCE.json``."""

import json
import sys
import time
from pathlib import Path

from domain.company import company_id
from resources.storage.sqlite import open_store
from tests.domain.nights import Paid, Rules, sync, write_source

folder, ledger, source = (Path(argument) for argument in sys.argv[1:4])
with open_store(folder, company_id("acme")) as store:
    write_source(store, json.loads(source.read_text()))
    print("started", flush=True)
    sync(store, Rules(), Paid(ledger), window=7, pause=lambda: time.sleep(0.002))
