"""Helpdesks, one adapter a platform, all behind ``base.Helpdesk``."""
