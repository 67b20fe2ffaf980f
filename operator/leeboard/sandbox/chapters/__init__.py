"""The chapters of the demonstration, one file each, in the order in which `scenario.py` calls them."""
