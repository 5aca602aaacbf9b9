"""The processes that train one run: forked from a warm server, gone with their scheduler."""
