"""The demo's own home: its companies never mix with yours."""

from resources.settings import REPOSITORY, Settings

COMPANIES = ("hanbit", "acme")


def demo_settings() -> Settings:
    """Settings whose home is ``data/demo`` in the repository."""
    return Settings(home=REPOSITORY / "data" / "demo")
