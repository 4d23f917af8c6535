"""Account settings that mail clients fetch themselves: Thunderbird's autoconfig, Outlook's autodiscover, Apple's
profiles. Nobody logs in for them, and nothing in them tells whether an address exists.
"""
