"""One local page: the Teams channel, the monday board and the audit trail, side by side and live."""
