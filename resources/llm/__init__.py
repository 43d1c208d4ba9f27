"""LLM providers: asked side by side, within their limits and a budget, for summaries of tickets and articles.

Belongs here: everything that talks to an OpenAI-compatible endpoint. ``base`` (what is asked, answered, and can go wrong),
``client`` (one provider), ``limits`` (what it may take a minute), ``pool`` (several of them), ``tokens``, ``prices`` and
``budget`` (what it costs), ``summariser`` (documents in, summaries out).
Does not belong here: the prompt, or what makes an answer a good one (``domain/summary_*``), or where results are kept.
"""
