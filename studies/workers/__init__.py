"""The processes that train one run: forked from a warm server; they end with their scheduler."""
