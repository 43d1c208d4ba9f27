"""The sandbox: local stand-ins for the services Casebook reads, with sample companies, for the demo and the tests.

Belongs here: servers that answer as the real ones do, their data, and ways to make that data move (edits,
deletions, faults, rate limits). Does not belong here: anything of Casebook's own. Nothing in this package
imports the rest of the repository, so that a stand-in can never agree with a mistake of ours.

    corpus      the companies' authored threads  -> Freshdesk records     generate   made-up records in any number
    mail        plain words -> mail bodies with quotes and signatures     shape      Freshdesk's JSON, kind by kind
    world       one account: tickets, clock, edits, deletions             limits     plans, credits, 429
    faults, spoil   failures on purpose                                   attachments  signed addresses
    files       documents of all kinds, good and bad                      downloads   what answers at the addresses
    solutions   categories, folders, articles                             custom     an account's own statuses and fields
    ratings     what customers thought of it
    account     what the servers know of an account, and of a request     parameters  reading a request
    freshdesk, freshdesk_solutions   the API v2 over a world              answers    what goes out, and how it can fail
    zendesk     the API v2 of Zendesk over the same worlds                zendesk_shape, help_center  its JSON
    vast        accounts of millions of tickets, computed
    llm         OpenAI's API: chat, embeddings                            llm_model   what the stub model says
    llm_account, llm_faults   keys, limits, failures                      llm_batches, llm_admin   batches; its hidden door
    admin       the hidden door that moves a world
    serve       all accounts on one port; command line; ``Sandbox`` for tests
"""
