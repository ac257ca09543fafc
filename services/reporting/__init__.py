"""Reporting remembers: what every sync brought, what was decided about each order and why, and where it is now.

It reads only topics that carry no personal data and are kept, so that everything it shows can be built again from
them and comes out equal. It answers by API and by the page *Report Sync Order*.
"""
