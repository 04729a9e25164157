"""The data doctor: what is wrong with data, one small file a kind of finding; `checks.py` lists them."""
