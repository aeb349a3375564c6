"""Wrappers around other libraries' private APIs, so that an upgrade breaks in one place."""
